from __future__ import annotations

import pytest

from takt.commands.doctor import libraries, probes
from takt.commands.doctor.facts import LibrariesFacts
from takt.commands.doctor.isolated import ProbeAnswer
from takt.commands.doctor.probes import libraries_facts
from takt.core.distribution import install_hint

MISSING = "cannot open shared object file"


def examine(
    monkeypatch: pytest.MonkeyPatch,
    missing: set[str],
    wheels: dict[str, str] | None = None,
) -> LibrariesFacts:
    monkeypatch.setattr(probes, "installed_version", (wheels or {}).get)
    told = libraries_facts(
        13, lambda one: (None, MISSING) if one.name in missing else ("1.2.3", "")
    )
    monkeypatch.setattr(libraries, "ask", lambda *_: ProbeAnswer(told, "", ""))
    return libraries.examine_libraries(13)


def test_nothing_is_missing_where_all_of_them_load(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examine(monkeypatch, set())
    assert all(one.loads and one.version == "1.2.3" for one in (*found.cuda, *found.tensorrt))
    assert found.cuda_lacks == found.tensorrt_lacks == ()


def test_the_extra_brings_all_of_cuda_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examine(monkeypatch, {"cuBLAS", "cuDNN"})
    (lack,) = found.cuda_lacks
    assert lack.what == "cuBLAS, cuDNN cannot be loaded"
    assert lack.remedy == install_hint("gpu")
    assert [one.reason for one in found.cuda if not one.loads] == [MISSING, MISSING]


def test_the_drivers_library_comes_by_no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examine(monkeypatch, {"driver"})
    assert not found.cuda[0].loads
    assert found.cuda_lacks == ()


@pytest.mark.parametrize(
    ("wheels", "what"),
    [
        ({}, "TensorRT 10 cannot be loaded"),
        (
            {"tensorrt-cu13-libs": "11.4.0"},
            "TensorRT 11.4.0 is installed; ONNX Runtime wants 10",
        ),
        (
            {"tensorrt-cu13-libs": "10.16.1"},
            f"TensorRT 10.16.1 is installed, but does not load: {MISSING}",
        ),
    ],
)
def test_tensorrt_must_be_of_the_right_major_version(
    monkeypatch: pytest.MonkeyPatch, wheels: dict[str, str], what: str
) -> None:
    found = examine(monkeypatch, {"TensorRT", "TensorRT plugins", "TensorRT parser"}, wheels)
    (lack,) = found.tensorrt_lacks
    assert lack.what == what
    assert lack.remedy == "pip install 'tensorrt-cu13>=10,<11'"


def test_libraries_that_crash_the_probe_are_told_with_the_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crash = "it crashed with SIGSEGV"
    monkeypatch.setattr(libraries, "ask", lambda *_: ProbeAnswer(None, crash, ""))
    found = libraries.examine_libraries(13)
    assert {one.reason for one in (*found.cuda, *found.tensorrt)} == {crash}
    assert not any(one.loads for one in (*found.cuda, *found.tensorrt))
    (lack,) = found.cuda_lacks
    assert lack.what == f"loading NVIDIA's libraries failed: {crash}"
    assert "install NVIDIA's driver" in lack.remedy
