from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from takt_export.calibration.grouping import EACH_ITS_OWN, Grouped
from takt_export.calibration.lots import NO_LOTS
from takt_export.calibration.parts import Parts
from takt_export.errors import LearnError
from takt_export.learning.look import GoodPictures, look_at_pictures
from takt_export.learning.search import trials
from takt_export.learning.search.bank_choice import BankChoice
from takt_export.learning.search.trials import TrialPictures, try_bank
from takt_export.learning.stages import Stages
from takt_models.fit.device import Compute

pytestmark = pytest.mark.torch

WritePictures = Callable[..., list[Path]]

SMALL = BankChoice(64, (4, 10), 60)


def named(parts: list[int]) -> GoodPictures:
    paths = [Path(f"{number:03}.png") for number in range(len(parts))]
    grouped = Grouped(Parts.of(parts), Parts.of(parts), NO_LOTS)
    return GoodPictures({one: one.name for one in paths}, 0, ((8, 8, len(parts)),), grouped)


@pytest.fixture(scope="module")
def good(write_pictures: WritePictures, tmp_path_factory: pytest.TempPathFactory) -> GoodPictures:
    folder = tmp_path_factory.mktemp("search") / "good"
    write_pictures(folder, 20)
    with Stages(quiet=True) as stages:
        return look_at_pictures(folder, (), EACH_ITS_OWN, stages)


def test_whole_parts_are_held_back_and_one_picture_of_each_is_altered() -> None:
    # 120 pictures of 40 parts, three of each.
    pictures = named([number // 3 for number in range(120)])
    dealt = TrialPictures.deal(pictures, (), seed=0)
    assert len(dealt.altered) == 10
    assert len(dealt.learned) == 90
    assert sorted(dealt.grouped.groups.number) == [number // 3 for number in range(90)]
    part_of = dict(zip(pictures.paths, pictures.parts.number, strict=True))
    assert not {part_of[one] for one in dealt.altered} & {part_of[one] for one in dealt.learned}
    assert all(part_of[one] * 3 == int(one.stem) for one in dealt.altered)


def test_of_many_parts_no_more_than_enough_are_held_back() -> None:
    assert len(TrialPictures.deal(named([*range(500)]), (), seed=0).altered) == 24


def test_defects_take_turns_by_their_names() -> None:
    defects = [Path(f"{name}.png") for name in "dacb"]
    dealt = TrialPictures.deal(named([*range(20)]), defects, seed=0)
    assert [one.stem for one in dealt.choosing] == ["a", "c"]
    assert [one.stem for one in dealt.held_out] == ["b", "d"]
    other = TrialPictures.deal(named([*range(20)]), defects, seed=1)
    assert other.choosing == dealt.held_out


def test_too_few_good_parts_are_refused_with_the_remedy() -> None:
    with pytest.raises(LearnError, match=r"at least 20 good parts.*show 19: learn without"):
        TrialPictures.deal(named([*range(19)]), (), seed=0)


def test_a_trial_finds_the_same_again_and_ticks(
    good: GoodPictures, write_pictures: WritePictures, tmp_path: Path
) -> None:
    defects = write_pictures(tmp_path / "bad", 4, high=255, seed=3)
    dealt = TrialPictures.deal(good, defects, seed=0)
    ticks: list[None] = []
    compute = Compute.choose("cpu", bf16=False)
    one, other = (try_bank(SMALL, dealt, 0, compute, lambda: ticks.append(None)) for _ in range(2))
    assert len(one.made_up) == 5
    passing = one.made_up[~one.rejected]
    assert ((passing >= 0) & (passing <= 1)).all()
    assert np.isnan(one.made_up[one.rejected]).all()
    assert len(one.choosing) == len(one.held_out) == 2
    assert np.array_equal(one.units, other.units, equal_nan=True)
    assert len(ticks) >= 2 * (len(dealt.learned) + len(dealt.altered) + len(defects))


def test_the_defects_on_a_picture_that_is_rejected_as_it_is_say_nothing(
    good: GoodPictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials.Judge, "rejects", lambda *_: True)
    dealt = TrialPictures.deal(good, (), seed=0)
    found = try_bank(SMALL, dealt, 0, Compute.choose("cpu", bf16=False), lambda: None)
    assert found.rejected.all()
    assert np.isnan(found.made_up).all()
