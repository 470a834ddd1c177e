from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from takt_export.commands.calibrate import calibrate
from takt_export.commands.export import export
from takt_export.commands.learn import learn


@pytest.mark.parametrize("number", ["nan", "inf"])
@pytest.mark.parametrize(
    ("command", "arguments", "option"),
    [
        (learn, ("--model", "part"), "--search"),
        (learn, ("--model", "part", "--family", "inpformer"), "--minutes"),
        (learn, ("--model", "part", "--size", "auto"), "--latency-ms"),
        (calibrate, ("--good", "."), "--alpha"),
        (calibrate, ("--good", "."), "--cost-miss"),
        (calibrate, ("--good", "."), "--prevalence"),
        (export, ("onnx", "--good", ".", "--out", "b/part/1"), "--allow-drift"),
    ],
)
def test_what_is_no_finite_number_is_refused_before_any_work(
    tmp_path: Path, command: click.Command, arguments: tuple[str, ...], option: str, number: str
) -> None:
    given = [*arguments, option, number, str(tmp_path)]
    refused = CliRunner().invoke(command, given)
    assert refused.exit_code == 2, refused.output
    assert f"Invalid value for '{option}'" in refused.output
