from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from service.cli import main
from service.commands.doctor import command
from service.commands.doctor.facts import HostFacts, Lack, OpenVinoFacts
from service.distribution import install_hint


@pytest.fixture
def without_openvino(host: HostFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    lack = Lack("OpenVINO is not installed", install_hint("openvino"))
    bare = replace(host, openvino=OpenVinoFacts(None, (), False, (lack,)))
    monkeypatch.setattr(command, "examine_host", lambda: bare)


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
        "cpu-bf16 cannot run here: OpenVINO is not installed -> pip install 'openvino>=2025.2'",
        "openvino cannot run here: OpenVINO is not installed -> pip install 'openvino>=2025.2'",
    ]


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


def test_this_very_host_is_examined_without_a_crash() -> None:
    result = CliRunner().invoke(main, ["doctor", "--json", "--require", "cpu-fp32"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["host"]["cpu"]["usable_cores"] >= 1
    providers = {one["provider"]: one for one in told["host"]["onnxruntime"]["providers"]}
    assert providers["cpu"]["loads"]
    assert all(one["why"] for one in told["engines"])
