from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.learning.learn import Learned
from export.learning.stages import Stages
from export.learning.teaching.judged_pictures import judged_pictures
from export.learning.teaching.request import TaughtModel
from export.learning.teaching.taught_version import TaughtVersion, inspection_of, mcnemar
from export.learning.teaching.verdicts import TurnedVerdicts, Verdicts
from service.core.bundles.thresholds import ThresholdPair
from tests.conftest import MakeBundle


def test_pictures_that_it_was_learned_from_are_doubted_and_named(
    judged: Path, make_bundle: MakeBundle
) -> None:
    found = judged_pictures(judged, Stages(quiet=True))
    count = len(found.defects)
    one = Verdicts(np.ones(count, np.float32), np.ones(count, np.bool_))
    none = Verdicts(np.zeros(5, np.float32), np.zeros(5, np.bool_))
    files = ("good/inspection-7.png", "good/a.png", "good/b.png", "good/c.png")
    taught = TaughtModel(
        in_force=ThresholdPair(1.0, 1.0),
        thresholds=ThresholdPair(1.0, 1.0),
        defects=TurnedVerdicts(one, one),
        by_bank=TurnedVerdicts(one, one),
        others=TurnedVerdicts(none, none),
        doubtful=np.zeros(count, np.bool_),
        suspects=files,
    )
    version = TaughtVersion(Learned(make_bundle(), found), found, "1", taught)
    said = [(one["file"], one["inspection"]) for one in version.plain()["doubts"]]
    assert said == [*zip(files, (7, None, None, None), strict=True)]
    (line,) = [line for line in version.lines() if "learned from" in line]
    assert line.startswith(
        "pictures that it was learned from as good and that look like judged defects: 4 ("
    )
    assert "(good/inspection-7.png, good/a.png, good/b.png, good/c.png)" in line
    assert not any("doubtful" in line for line in version.lines())
    doubtful = np.arange(count) == 0
    alone = replace(version, taught=replace(taught, doubtful=doubtful))
    assert alone.lines()[-2].startswith("doubtful judgements: 1 (")


def test_a_test_of_turned_verdicts_needs_six() -> None:
    assert mcnemar(5, 0) is None
    assert mcnemar(0, 7) == pytest.approx(2 / 2**7)
    assert mcnemar(4, 4) == 1.0


def test_inspections_are_told_by_the_names_that_the_record_gives() -> None:
    assert inspection_of(Path("x/inspection-7.png")) == 7
    assert inspection_of(Path("x/inspection-7b.png")) is None
