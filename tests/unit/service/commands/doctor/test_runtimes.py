from __future__ import annotations

from typing import Any

import pytest

from takt.commands.doctor import remedies, runtimes
from takt.commands.doctor.facts import (
    DecodingFacts,
    DeviceFacts,
    OnnxRuntimeFacts,
    OpenVinoFacts,
    ProviderFacts,
)
from takt.commands.doctor.isolated import ProbeAnswer
from takt.commands.doctor.probes import ProviderTrial
from takt.core.distribution import install_hint

CPU, CUDA, TENSORRT = (f"{name}ExecutionProvider" for name in ("CPU", "CUDA", "Tensorrt"))
LOG = (
    "\x1b[1;31m[E:onnxruntime] FAIL : Failed to load library /venv/libonnxruntime_providers_cuda.so"
    " with error: libcublasLt.so.13: cannot open shared object file\n\x1b[m"
)


class Replies:
    """Answers by probe and argument, and the packages that are installed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[tuple[str, ...], ProbeAnswer[Any]] = {}
        self.packages: dict[str, str] = {}
        self.asked: list[tuple[str, ...]] = []
        monkeypatch.setattr(runtimes, "ask", self.ask)
        monkeypatch.setattr(runtimes, "installed_version", self.packages.get)

    def ask(self, answer: type, *probe: str, limit_s: float = 60.0) -> ProbeAnswer[Any]:
        self.asked.append(probe)
        return self.answers[probe]

    def build(self, *listed: str, cuda_major: int | None = None) -> None:
        providers = (
            ProviderFacts("cpu", CPU, CPU in listed),
            ProviderFacts("cuda", CUDA, CUDA in listed),
            ProviderFacts("tensorrt", TENSORRT, TENSORRT in listed),
        )
        found = OnnxRuntimeFacts((), "1.31.1", cuda_major, listed, providers)
        self.answers["onnxruntime",] = ProbeAnswer(found, "", "")

    def runs(self, provider: str, *running: str, right: bool = True, log: str = "") -> None:
        self.answers["provider", provider] = ProbeAnswer(ProviderTrial(running, right), "", log)


@pytest.fixture
def replies(monkeypatch: pytest.MonkeyPatch) -> Replies:
    return Replies(monkeypatch)


def test_a_provider_that_is_listed_but_falls_back_does_not_load(replies: Replies) -> None:
    replies.packages["onnxruntime-gpu"] = "1.31.1"
    replies.build(TENSORRT, CUDA, CPU, cuda_major=13)
    replies.runs("cpu", CPU)
    replies.runs("cuda", CPU, log=LOG)
    replies.runs("tensorrt", CPU)
    found = runtimes.examine_onnxruntime()
    assert found.lacks == ()
    assert found.cuda_major == 13
    assert [(one.listed, one.loads) for one in found.providers] == [
        (True, True),
        (True, False),
        (True, False),
    ]
    assert [one.reason for one in found.providers] == [
        "",
        "libcublasLt.so.13: cannot open shared object file",
        "ONNX Runtime fell back to CPUExecutionProvider",
    ]


def test_a_provider_that_is_not_in_the_build_is_not_tried(replies: Replies) -> None:
    replies.packages["onnxruntime"] = "1.31.1"
    replies.build("AzureExecutionProvider", CPU)
    replies.runs("cpu", CPU)
    found = runtimes.examine_onnxruntime()
    assert found.packages == ("onnxruntime 1.31.1",)
    assert found.loads("cpu")
    assert not found.loads("cuda")
    assert replies.asked == [("onnxruntime",), ("provider", "cpu")]


def test_a_provider_that_crashes_or_computes_wrongly_does_not_load(replies: Replies) -> None:
    replies.packages["onnxruntime-gpu"] = "1.31.1"
    replies.build(TENSORRT, CUDA, CPU, cuda_major=13)
    replies.runs("cpu", CPU)
    replies.runs("cuda", CUDA, CPU, right=False)
    replies.answers["provider", "tensorrt"] = ProbeAnswer(None, "it crashed with SIGSEGV", "")
    found = runtimes.examine_onnxruntime()
    assert [one.reason for one in found.providers] == [
        "",
        "it computes a convolution wrongly",
        "it crashed with SIGSEGV",
    ]
    assert not found.loads("cuda")
    assert not found.loads("tensorrt")


def test_two_builds_over_each_other_are_told(replies: Replies) -> None:
    replies.packages |= {"onnxruntime": "1.32.0", "onnxruntime-gpu": "1.31.1"}
    replies.build(CPU)
    replies.runs("cpu", CPU)
    (lack,) = runtimes.examine_onnxruntime().lacks
    assert lack.what == (
        "onnxruntime and onnxruntime-gpu are installed over each other: one hides the other"
    )
    assert lack.remedy == remedies.ONE_BUILD


@pytest.mark.parametrize(
    ("installed", "what", "remedy"),
    [
        (False, "ONNX Runtime is not installed", "pip install 'onnxruntime>=1.20'"),
        (
            True,
            "ONNX Runtime cannot be imported: ImportError: no",
            install_hint("onnxruntime", again=True),
        ),
    ],
)
def test_an_onnx_runtime_that_is_missing_or_broken_is_told_apart(
    replies: Replies, installed: bool, what: str, remedy: str
) -> None:
    if installed:
        replies.packages["onnxruntime"] = "1.31.1"
    replies.answers["onnxruntime",] = ProbeAnswer(None, "ImportError: no", "")
    found = runtimes.examine_onnxruntime()
    assert found.version is None
    assert found.provider("cpu") is None
    assert [(lack.what, lack.remedy) for lack in found.lacks] == [(what, remedy)]


def test_openvino_that_is_not_installed_is_not_started(replies: Replies) -> None:
    found = runtimes.examine_openvino()
    assert [lack.remedy for lack in found.lacks] == ["pip install 'openvino>=2025.2'"]
    assert replies.asked == []


@pytest.mark.parametrize(
    ("answer", "runs", "what"),
    [
        (OpenVinoFacts("2026.4", (DeviceFacts("CPU", "EPYC", ("BF16",)),), True), True, []),
        (
            OpenVinoFacts("2026.4", (), False),
            False,
            ["OpenVINO computes a convolution wrongly on this CPU"],
        ),
        (None, False, ["OpenVINO does not run here: it crashed with SIGILL"]),
    ],
)
def test_openvino_runs_if_its_answer_is_right(
    replies: Replies, answer: OpenVinoFacts | None, runs: bool, what: list[str]
) -> None:
    replies.packages["openvino"] = "2026.4"
    replies.answers["openvino",] = ProbeAnswer(answer, "it crashed with SIGILL", "")
    found = runtimes.examine_openvino()
    assert found.runs is runs
    assert [lack.what for lack in found.lacks] == what
    assert found.capabilities == (("BF16",) if runs else ())


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (DecodingFacts("5.0", "build-libjpeg-turbo (ver 3.1)"), True),
        (DecodingFacts("5.0", "libjpeg (ver 62)"), False),
        (None, False),
    ],
)
def test_opencv_without_libjpeg_turbo_is_told(
    replies: Replies, answer: DecodingFacts | None, whole: bool
) -> None:
    replies.answers["opencv",] = ProbeAnswer(answer, "ImportError: libGL.so.1", "")
    found = runtimes.examine_decoding()
    assert [lack.remedy for lack in found.lacks] == ([] if whole else [remedies.opencv()])
