"""The runtimes: ONNX Runtime, OpenVINO, and OpenCV for decoding."""

from __future__ import annotations

import re

from service.bundles.variant import Provider
from service.commands.doctor import remedies
from service.commands.doctor.facts import (
    DecodingFacts,
    Lack,
    OnnxRuntimeFacts,
    OpenVinoFacts,
    ProviderFacts,
)
from service.commands.doctor.isolated import Answer, ask
from service.commands.doctor.probes import (
    BuildAnswer,
    Choice,
    OpenCvAnswer,
    OpenVinoAnswer,
    ProviderAnswer,
)
from service.distribution import install_hint, installed_version

_BUILDS = ("onnxruntime", "onnxruntime-gpu")
_LIMIT_S: dict[Provider, float] = {"cpu": 60.0, "cuda": 120.0, "tensorrt": 300.0}
"""TensorRT looks for the fastest kernels of even the smallest graph."""


def examine_onnxruntime() -> OnnxRuntimeFacts:
    """What ONNX Runtime is, lists, and can really load."""
    builds = [build for build in _BUILDS if installed_version(build)]
    packages = tuple(f"{build} {installed_version(build)}" for build in builds)
    lacks = []
    if len(builds) > 1:
        what = f"{' and '.join(builds)} are installed over each other: one hides the other"
        lacks.append(Lack(what, remedies.ONE_BUILD))
    build = ask(BuildAnswer, "onnxruntime")
    if build.value is None:
        if builds:
            what = f"ONNX Runtime cannot be imported: {build.failure}"
            lacks.append(Lack(what, install_hint("onnxruntime", again=True)))
        else:
            lacks.append(Lack("ONNX Runtime is not installed", install_hint("cpu")))
        return OnnxRuntimeFacts(packages, None, None, (), (), tuple(lacks))
    listed = build.value.listed
    providers = tuple(_provider(one, listed=one.name in listed) for one in build.value.choices)
    for one in providers:
        if one.provider == "cpu" and not one.loads:
            what = f"ONNX Runtime does not run on this CPU: {one.reason}"
            lacks.append(Lack(what, install_hint("onnxruntime", again=True)))
    return OnnxRuntimeFacts(
        packages=packages,
        version=build.value.version,
        cuda_major=build.value.cuda_major,
        listed=listed,
        providers=providers,
        lacks=tuple(lacks),
    )


def examine_openvino() -> OpenVinoFacts:
    """What OpenVINO is, and what its devices can do."""
    version = installed_version("openvino")
    if version is None:
        lack = Lack("OpenVINO is not installed", install_hint("openvino"))
        return OpenVinoFacts(None, (), False, (lack,))
    answer = ask(OpenVinoAnswer, "openvino")
    if answer.value is None:
        lack = Lack(f"OpenVINO does not run here: {answer.failure}", install_hint("openvino"))
        return OpenVinoFacts(version, (), False, (lack,))
    found = answer.value
    if found.right:
        return OpenVinoFacts(found.version, found.devices, True, ())
    lack = Lack("OpenVINO computes a convolution wrongly on this CPU", install_hint("openvino"))
    return OpenVinoFacts(found.version, found.devices, False, (lack,))


def examine_decoding() -> DecodingFacts:
    """OpenCV, and what decodes JPEG."""
    answer = ask(OpenCvAnswer, "opencv")
    if answer.value is None:
        lack = Lack(
            f"OpenCV cannot be imported: {answer.failure}",
            remedies.opencv(),
        )
        return DecodingFacts(None, "", (lack,))
    found = answer.value
    if "turbo" in found.jpeg:
        return DecodingFacts(found.version, found.jpeg, ())
    lack = Lack(
        "OpenCV decodes JPEG without libjpeg-turbo: slowly, or not at all",
        remedies.opencv(),
    )
    return DecodingFacts(found.version, found.jpeg, (lack,))


def _provider(choice: Choice, *, listed: bool) -> ProviderFacts:
    reason = ""
    if listed:
        reason = _trial(choice)
    return ProviderFacts(choice.provider, choice.name, listed, listed and not reason, reason)


def _trial(choice: Choice) -> str:
    """Why a provider does not run; empty if it does."""
    limit_s = _LIMIT_S[choice.provider]
    answer = ask(ProviderAnswer, "provider", choice.provider, limit_s=limit_s)
    if answer.value is None:
        return _load_error(answer) or answer.failure
    if answer.value.running[:1] != (choice.name,):
        running = ", ".join(answer.value.running)
        return _load_error(answer) or f"ONNX Runtime fell back to {running}"
    return "" if answer.value.right else "it computes a convolution wrongly"


def _load_error(answer: Answer[ProviderAnswer]) -> str:
    """The library that ONNX Runtime's log says it could not load; empty if it says nothing."""
    found = re.search(r"Failed to load library \S+ with error: (.+)", answer.log)
    return found.group(1).strip() if found else ""
