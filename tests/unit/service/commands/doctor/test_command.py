from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from takt.cli import main
from takt.commands.doctor import command
from takt.commands.doctor.facts import (
    GpuFacts,
    HostFacts,
    Lack,
    LibrariesFacts,
    OpenVinoFacts,
)
from takt.core.distribution import install_hint

NO_GPUS = GpuFacts(None, None, None, ())


@pytest.fixture
def without_openvino(host: HostFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    lack = Lack("OpenVINO is not installed", install_hint("openvino"))
    bare = replace(host, openvino=OpenVinoFacts(None, (), False, (lack,)))
    monkeypatch.setattr(command, "examine_host", lambda **_: bare)


@pytest.mark.usefixtures("without_openvino")
def test_what_is_missing_is_no_error_unless_it_is_required() -> None:
    result = CliRunner().invoke(main, ["doctor", "--require", "cuda", "--require", "cpu-fp32"])
    assert result.exit_code == 0, result.output
    assert "What this host runs" in result.output
    assert result.stderr == ""


@pytest.mark.usefixtures("without_openvino")
def test_each_required_engine_that_cannot_run_gets_a_line() -> None:
    required = ["--require", "openvino", "--require", "cuda", "--require", "cpu-bf16"]
    result = CliRunner().invoke(main, ["doctor", *required])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "cpu-bf16 cannot run here: OpenVINO is not installed",
        "openvino cannot run here: OpenVINO is not installed",
    ]
    assert result.output.count("pip install 'openvino>=2025.2'") == 1


@pytest.mark.usefixtures("without_openvino")
def test_an_engine_that_does_not_exist_is_refused() -> None:
    result = CliRunner().invoke(main, ["doctor", "--require", "vulkan"])
    assert result.exit_code == 2


@pytest.mark.usefixtures("without_openvino")
def test_json_stays_json_where_a_required_engine_cannot_run() -> None:
    result = CliRunner().invoke(main, ["doctor", "--json", "--require", "openvino"])
    assert result.exit_code == 1
    engines = {one["engine"]: one for one in json.loads(result.stdout)["engines"]}
    assert engines["openvino"] == {
        "engine": "openvino",
        "state": "not",
        "why": "OpenVINO is not installed",
        "remedies": ["pip install 'openvino>=2025.2'"],
    }


@pytest.mark.parametrize(
    ("given", "gpus", "cuda_major", "looked_at"),
    [
        ([], NO_GPUS, None, False),
        (["--require", "cpu-fp32"], NO_GPUS, None, False),
        (["--gpu"], NO_GPUS, None, True),
        (["--require", "tensorrt"], NO_GPUS, None, True),
        ([], NO_GPUS, 13, True),
        ([], replace(NO_GPUS, device_files=True), None, True),
        ([], replace(NO_GPUS, on_pci=1), None, True),
        ([], replace(NO_GPUS, source="NVML"), None, True),
    ],
)
def test_nvidias_libraries_are_looked_at_where_a_gpu_is_seen_or_asked_for(
    host: HostFacts,
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    gpus: GpuFacts,
    cuda_major: int | None,
    looked_at: bool,
) -> None:
    asked: list[int] = []

    def examine_libraries(cuda_major: int) -> LibrariesFacts:
        asked.append(cuda_major)
        assert host.libraries is not None
        return host.libraries

    runtime = replace(host.onnxruntime, cuda_major=cuda_major)
    monkeypatch.setattr(command, "examine_onnxruntime", lambda: runtime)
    monkeypatch.setattr(command, "examine_openvino", lambda: host.openvino)
    monkeypatch.setattr(command, "examine_decoding", lambda: host.decoding)
    monkeypatch.setattr(command, "examine_gpus", lambda cuda_major: gpus)
    monkeypatch.setattr(command, "examine_libraries", examine_libraries)
    result = CliRunner().invoke(main, ["doctor", *given])
    assert bool(asked) is looked_at
    assert ("NVIDIA libraries" in result.output) is looked_at


def test_this_very_host_is_examined_without_a_crash() -> None:
    result = CliRunner().invoke(main, ["doctor", "--json", "--require", "cpu-fp32"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["host"]["cpu"]["usable_cores"] >= 1
    providers = {one["provider"]: one for one in told["host"]["onnxruntime"]["providers"]}
    assert providers["cpu"]["loads"]
    assert all(one["why"] for one in told["engines"])
