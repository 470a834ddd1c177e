from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from takt.core.bundles.thresholds import ThresholdPair
from takt_export.learning.learn import Learned
from takt_export.learning.stages import Stages
from takt_export.learning.teaching.judged_pictures import judged_pictures
from takt_export.learning.teaching.request import TaughtModel
from takt_export.learning.teaching.taught_version import TaughtVersion, inspection_of, mcnemar
from takt_export.learning.teaching.verdicts import TurnedVerdicts, Verdicts
from takt_models.checkpoints.picture_digest import picture_digest
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
    unseen = np.ones(count, np.bool_)
    version = TaughtVersion(Learned(make_bundle(), found), found, "1", taught, unseen)
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


@pytest.mark.parametrize(
    ("unseen", "compared", "said"),
    [
        (slice(0, 8), (8, 6, 4), "version 0 finds 6 of 8 (75.0%) of the judged defects; version 1"),
        (slice(4, 8), (4, 2, 0), "Of the other 4 it finds 2 of 4 (50.0%), and version 1 0 of 4"),
        (slice(0, 0), (0, 0, 0), "version 0 was taught with all of them and knows them by heart"),
        (None, (0, 0, 0), "version 0 does not say what it was taught with"),
    ],
)
def test_what_the_version_before_knows_by_heart_is_not_compared(
    judged: Path,
    make_bundle: MakeBundle,
    unseen: slice | None,
    compared: tuple[int, int, int],
    said: str,
) -> None:
    found = judged_pictures(judged, Stages(quiet=True))
    before, after = (Verdicts(np.zeros(8, np.float32), np.arange(8) < of) for of in (6, 4))
    none = Verdicts(np.zeros(5, np.float32), np.zeros(5, np.bool_))
    taught = TaughtModel(
        in_force=ThresholdPair(1.0, 1.0),
        thresholds=ThresholdPair(1.0, 1.0),
        defects=TurnedVerdicts(before, after),
        by_bank=TurnedVerdicts(after, after),
        others=TurnedVerdicts(none, none),
        doubtful=np.zeros(8, np.bool_),
    )
    new = None if unseen is None else np.isin(np.arange(8), np.arange(8)[unseen])
    version = TaughtVersion(Learned(make_bundle(), found), found, "0", taught, new)
    plain = version.plain()
    assert tuple(plain[name] for name in ("compared", "found_before", "found_after")) == compared
    assert (plain["defects"], plain["found"]) == (8, 4)
    assert said in " ".join(version.lines())
    assert "4 of 8 (50.0%)" in version.lines()[0]


def test_what_no_good_picture_tells_is_said_and_what_was_learned_is_not_asked(
    judged: Path, make_bundle: MakeBundle
) -> None:
    found = judged_pictures(judged, Stages(quiet=True))
    seen = [picture_digest(path) for path in found.others]
    assert found.unlearned(()) == found
    left = found.unlearned(seen[:1])
    assert left.others == found.others[1:]
    assert left.defects == found.defects
    none = Verdicts(np.zeros(0, np.float32), np.zeros(0, np.bool_))
    some = Verdicts(np.zeros(8, np.float32), np.zeros(8, np.bool_))
    taught = TaughtModel(
        in_force=ThresholdPair(1.0, 1.0),
        thresholds=ThresholdPair(1.0, 1.0),
        defects=TurnedVerdicts(some, some),
        by_bank=TurnedVerdicts(some, some),
        others=TurnedVerdicts(none, none),
        doubtful=np.zeros(8, np.bool_),
    )
    alone = found.unlearned(seen)
    version = TaughtVersion(Learned(make_bundle(), found), alone, "0", taught, np.ones(8, np.bool_))
    assert any("what that costs cannot be told" in line for line in version.lines())
    assert version.plain()["passed"] == version.plain()["good"] == 0


def test_a_test_of_turned_verdicts_needs_six() -> None:
    assert mcnemar(5, 0) is None
    assert mcnemar(0, 7) == pytest.approx(2 / 2**7)
    assert mcnemar(4, 4) == 1.0


def test_inspections_are_told_by_the_names_that_the_record_gives() -> None:
    assert inspection_of(Path("x/inspection-7.png")) == 7
    assert inspection_of(Path("x/inspection-7b.png")) is None
