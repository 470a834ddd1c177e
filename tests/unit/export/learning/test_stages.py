import pytest

from takt_export.learning.stages import Stages


def test_without_a_terminal_each_stage_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Stages() as stages:
        stages.plan({"fit": 3, "export": 1})
        for name in ("fit", "export"):
            stages.begin(name)
            stages.at(1, 2, "pictures")
    assert capsys.readouterr().err == "fit …\nexport …\n"


def test_copies_and_warnings_are_kept_for_the_summary() -> None:
    with Stages(quiet=True) as stages:
        stages.tell("writing the graph")
        stages.tell("warning: all alike")
        stages.tell("left out as copies of other pictures: 2")
    assert stages.told == ["all alike", "left out as copies of other pictures: 2"]


def test_an_error_keeps_the_time_of_its_stage() -> None:
    stages = Stages(quiet=True)
    with pytest.raises(ValueError, match="no"), stages:
        stages.plan({"fit": 1})
        stages.begin("fit")
        raise ValueError("no")
    assert list(stages.seconds) == ["start", "fit"]
