import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from takt_export.learning.progress import lines_to
from takt_export.learning.stages import Stages

pytestmark = pytest.mark.torch


def events(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_program_hears_of_stages_warnings_and_shares(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    with Stages(report=lines_to(stream)) as stages:
        stages.plan({"fit": 3, "export": 1})
        stages.begin("fit")
        stages.at(1, 2, "pictures")
        stages.tell("warning: few pictures")
        stages.tell("writing the graph")
        stages.begin("export")
    assert events(stream) == [
        {"event": "plan", "stages": ["fit", "export"]},
        {"event": "stage", "stage": "fit", "share": 0.0},
        {"event": "progress", "share": 0.375, "text": "1 of 2 pictures"},
        {"event": "warning", "text": "few pictures"},
        {"event": "stage", "stage": "export", "share": 0.75},
    ]
    assert capsys.readouterr() == ("", "")


def test_of_progress_only_some_is_told() -> None:
    stream, now_s = io.StringIO(), 0.0
    report = lines_to(stream, clock=lambda: now_s)
    for now_s in (0.0, 0.1, 0.15, 0.3):
        report({"event": "progress", "share": now_s, "text": ""})
    assert [one["share"] for one in events(stream)] == [0.0, 0.3]


def test_an_error_is_told_before_the_end() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="no"), Stages(report=lines_to(stream)):
        raise ValueError("no")
    assert events(stream) == [{"event": "error", "text": "no"}]


def test_the_command_tells_a_program_where_the_version_goes_and_what_came_of_it(
    learn_parts: Callable[..., Result], pictures: Path
) -> None:
    said = learn_parts(pictures / "good", "--progress", "json")
    told = [json.loads(line) for line in said.stdout.splitlines()]
    assert told[0] == {"event": "place", "model": "parts", "version": "1"}
    assert [one["stage"] for one in told if one["event"] == "stage"][-1] == "load"
    result = told[-1]
    assert (result["event"], result["version"], result["family"]) == ("result", "1", "inpformer")
    assert result["pictures"] == "4 pictures, 80 x 60"
    assert "at most 25 %" in result["promise"]
    assert (result["compared"], result["signed_by"]) == ([], None)


def test_the_command_tells_a_program_why_it_failed(
    learn_parts: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    said = learn_parts(tmp_path / "empty", "--progress", "json")
    assert said.exit_code == 1
    last = json.loads(said.stdout.splitlines()[-1])
    assert last["event"] == "error"
    assert "holds no picture" in last["text"]
