"""Examines the runtimes: ONNX Runtime, OpenVINO, and OpenCV for decoding."""

from __future__ import annotations

import re
from dataclasses import replace

from takt.commands.doctor import remedies
from takt.commands.doctor.facts import (
    DecodingFacts,
    Lack,
    OnnxRuntimeFacts,
    OpenVinoFacts,
    ProviderFacts,
)
from takt.commands.doctor.isolated import ProbeAnswer, ask
from takt.commands.doctor.probes import ProviderTrial
from takt.core.bundles.variant import Provider
from takt.core.distribution import install_hint, installed_version

_BUILDS = ("onnxruntime", "onnxruntime-gpu")
_LIMIT_S: dict[Provider, float] = {"cpu": 60.0, "cuda": 120.0, "tensorrt": 300.0}
"""Limits of time; TensorRT tries many kernels even for the smallest graph."""


def examine_onnxruntime() -> OnnxRuntimeFacts:
    """Facts of ONNX Runtime; each provider that it lists is tried."""
    builds = [build for build in _BUILDS if installed_version(build)]
    packages = tuple(f"{build} {installed_version(build)}" for build in builds)
    lacks = []
    if len(builds) > 1:
        what = f"{' and '.join(builds)} are installed over each other: one hides the other"
        lacks.append(Lack(what, remedies.ONE_BUILD))
    answer = ask(OnnxRuntimeFacts, "onnxruntime")
    found = answer.value
    if found is None:
        if builds:
            what = f"ONNX Runtime cannot be imported: {answer.failure}"
            lacks.append(Lack(what, install_hint("onnxruntime", again=True)))
        else:
            lacks.append(Lack("ONNX Runtime is not installed", install_hint("cpu")))
        return OnnxRuntimeFacts(packages, None, None, (), (), tuple(lacks))
    providers = tuple(_tried(one) if one.listed else one for one in found.providers)
    for one in providers:
        if one.provider == "cpu" and not one.loads:
            what = f"ONNX Runtime does not run on this CPU: {one.reason}"
            lacks.append(Lack(what, install_hint("onnxruntime", again=True)))
    return replace(found, packages=packages, providers=providers, lacks=tuple(lacks))


def examine_openvino() -> OpenVinoFacts:
    """Facts of OpenVINO and its devices."""
    version = installed_version("openvino")
    if version is None:
        lack = Lack("OpenVINO is not installed", install_hint("openvino"))
        return OpenVinoFacts(None, (), False, (lack,))
    answer = ask(OpenVinoFacts, "openvino")
    if answer.value is None:
        lack = Lack(f"OpenVINO does not run here: {answer.failure}", install_hint("openvino"))
        return OpenVinoFacts(version, (), False, (lack,))
    found = answer.value
    if found.runs:
        return found
    lack = Lack("OpenVINO computes a convolution wrongly on this CPU", install_hint("openvino"))
    return replace(found, lacks=(lack,))


def examine_decoding() -> DecodingFacts:
    """Facts of OpenCV and its JPEG decoder."""
    answer = ask(DecodingFacts, "opencv")
    if answer.value is None:
        lack = Lack(f"OpenCV cannot be imported: {answer.failure}", remedies.opencv())
        return DecodingFacts(None, "", (lack,))
    found = answer.value
    if "turbo" in found.jpeg:
        return found
    what = "OpenCV decodes JPEG without libjpeg-turbo: slowly, or not at all"
    return replace(found, lacks=(Lack(what, remedies.opencv()),))


def _tried(provider: ProviderFacts) -> ProviderFacts:
    reason = _failure(provider)
    return replace(provider, loads=not reason, reason=reason)


def _failure(provider: ProviderFacts) -> str:
    """Why a provider does not run; empty if it does."""
    limit_s = _LIMIT_S[provider.provider]
    answer = ask(ProviderTrial, "provider", provider.provider, limit_s=limit_s)
    if answer.value is None:
        return _load_error(answer) or answer.failure
    if answer.value.running[:1] != (provider.name,):
        running = ", ".join(answer.value.running)
        return _load_error(answer) or f"ONNX Runtime fell back to {running}"
    return "" if answer.value.right else "it computes a convolution wrongly"


def _load_error(answer: ProbeAnswer[ProviderTrial]) -> str:
    """Library that ONNX Runtime could not load, by its log; empty if the log names none."""
    found = re.search(r"Failed to load library \S+ with error: (.+)", answer.log)
    return found.group(1).strip() if found else ""
