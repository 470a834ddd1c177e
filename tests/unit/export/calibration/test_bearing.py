"""What movement a model bears: bounds from good pictures that are moved more and more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from takt.core.bundles.bearing import Bearing
from takt.core.bundles.findings import FitRecord
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.domain import Image
from takt.core.errors import CalibrationError
from takt_export.calibration import bearing as module
from takt_export.calibration.bearing import MAGNITUDES, bearing, movement, raised_to_bear
from takt_export.calibration.subject import Subject

COUNT = 40
PATHS = [Path(str(number)) for number in range(COUNT)]
PICTURE = np.random.default_rng(0).integers(60, 190, (50, 70, 3)).astype(np.uint8)
GRAY = np.full((50, 70, 3), 100, np.uint8)


def subject(
    look: Callable[[Image], float], base: np.ndarray | None = None, picture: Image = GRAY
) -> Subject:
    scores = np.zeros(COUNT, np.float32) if base is None else base.astype(np.float32)
    return Subject(
        family="patchcore",
        fit=FitRecord(),
        thresholds=ThresholdPair(1.0, np.inf),
        look=lambda shown: (look(shown), 0.0),
        counted=lambda width, height: np.ones((height, width), np.bool_),
        good_score=scores,
        good_peak=np.zeros(COUNT, np.float32),
        defect_score=np.zeros(0, np.float32),
        defect_peak=np.zeros(0, np.float32),
        read=lambda _: picture,
    )


def borne(model: Subject, count: int = COUNT, alpha: float = 0.05) -> Bearing:
    return bearing(model, PATHS[:count], alpha, quiet=True)


def light_of(picture: Image) -> float:
    """By how much a gray picture is lighter or darker, in per cent."""
    return abs(float(picture.mean()) - 100)


def test_a_model_that_nothing_moves_bears_all_that_is_tried() -> None:
    found = borne(subject(lambda _: 0.0))
    assert {one.kind: one.bound for one in found.kinds} == {
        kind: most[-1] for kind, most in MAGNITUDES.items()
    }
    assert "beyond" not in found.text


def test_a_bound_is_the_largest_magnitude_at_which_good_pictures_pass() -> None:
    found = borne(subject(lambda picture: light_of(picture) / 12))
    (light,) = [one for one in found.kinds if one.kind == "light"]
    assert light.bound == 10
    assert [one.magnitude for one in light.steps] == [5, 10, 15]
    assert [one.rejected for one in light.steps] == [0, 0, 1]


def test_a_kind_is_tried_no_farther_than_it_is_borne() -> None:
    seen: list[float] = []

    def look(picture: Image) -> float:
        seen.append(light_of(picture))
        return 2 * (seen[-1] > 1)

    borne(subject(look))
    assert pytest.approx(max(one for one in seen), abs=0.5) == 5


def test_a_share_is_of_all_good_pictures_though_some_are_moved() -> None:
    scores = np.linspace(0, 0.99, COUNT)

    def unseen(path: Path, altered: Image, shown: np.ndarray | None) -> tuple[float, float]:
        return float(scores[int(path.name)]) + 0.31, 0.0

    found = borne(dataclasses.replace(subject(lambda _: 0.0, scores), unseen=unseen), alpha=0.5)
    share = float((scores + 0.31 > 1).mean())
    told = [one.rejected for kind in found.kinds for one in kind.steps]
    assert told == pytest.approx([share] * len(told))


def test_outliers_count_for_no_share() -> None:
    scores = np.concatenate([np.linspace(0, 0.5, COUNT - 4), np.full(4, 50.0)])

    def unseen(path: Path, altered: Image, shown: np.ndarray | None) -> tuple[float, float]:
        score = float(scores[int(path.name)])
        return score, score

    model = subject(lambda _: 0.0, scores)
    model = dataclasses.replace(model, unseen=unseen, good_peak=model.good_score)
    assert {step.rejected for kind in borne(model).kinds for step in kind.steps} == {0.0}


def test_no_bound_is_told_from_a_few_pictures() -> None:
    looked: list[Image] = []
    model = subject(lambda picture: float(bool(looked.append(picture))))
    found = borne(model, count=6)
    assert found.text == "not known from 6 pictures"
    assert not looked
    assert found.bound("shift") is None
    assert borne(subject(lambda _: 0.0), count=20).kinds


def test_pictures_are_moved_to_either_side_and_farther_to_the_same_one() -> None:
    for kind in MAGNITUDES:
        for number in range(10):
            low, high = (movement(kind, magnitude, number) for magnitude in (1, 2))
            assert low.shift_x * 2 == pytest.approx(high.shift_x)
            assert low.degrees * 2 == pytest.approx(high.degrees)
            assert (low.gain - 1) * 2 == pytest.approx(high.gain - 1)
    turns = {movement("turn", 1, number).degrees for number in range(10)}
    assert turns == {-1, 1}
    ways = {(one.shift_x, one.shift_y) for one in (movement("shift", 1, n) for n in range(20))}
    assert len(ways) == 4


def test_what_is_mirrored_in_at_the_border_is_told_as_not_shown() -> None:
    masks: list[np.ndarray] = []

    def unseen(path: Path, altered: Image, shown: np.ndarray | None) -> tuple[float, float]:
        assert shown is not None
        masks.append(shown)
        return 0.0, 0.0

    borne(dataclasses.replace(subject(lambda _: 9.0), unseen=unseen))
    missing = sorted({round(float(1 - one.mean()), 3) for one in masks})
    assert missing[0] == 0
    assert missing[-1] > 0.05


def test_a_slow_model_is_shown_one_kind_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET_S", -1.0)
    assert borne(subject(lambda _: 0.0)).text == "shifts to 6 % and more"


def turned_by(picture: Image) -> float:
    """About the angle by which a picture with a bright upper half is turned, in degrees."""
    rows = (picture[..., 0] > 128).sum(0).astype(np.float64)
    return abs(float(np.degrees(np.arctan(np.polyfit(np.arange(len(rows)), rows, 1)[0]))))


def half_bright() -> Image:
    picture = np.full((100, 100, 3), 60, np.uint8)
    picture[:50] = 190
    return picture


def test_thresholds_rise_as_far_as_the_movement_that_is_asked_for_needs() -> None:
    model = subject(lambda picture: turned_by(picture) / 2, picture=half_bright())
    model = dataclasses.replace(model, thresholds=ThresholdPair(1.0, 2.0))
    assert raised_to_bear(model, PATHS, {"turn": 4.0}, 0.05) == pytest.approx(2, rel=0.1)
    assert raised_to_bear(model, PATHS, {"shift": 5.0}, 0.05) == 1.0

    factor = raised_to_bear(model, PATHS, {"shift": 5.0, "turn": 5.0}, 0.05)
    raised = dataclasses.replace(model, thresholds=ThresholdPair(factor, 2 * factor))
    assert borne(model).bound("turn") == 1
    assert borne(raised).bound("turn") == 5


def test_thresholds_that_cannot_rise_are_said_with_what_to_do() -> None:
    model = dataclasses.replace(subject(lambda _: 0.0), thresholds=ThresholdPair(1.0, 0.0))
    with pytest.raises(CalibrationError, match=r"raises thresholds above 0.*leave it out"):
        raised_to_bear(model, PATHS, {"turn": 4.0}, 0.05)
    with pytest.raises(
        CalibrationError, match="at least 20 good pictures to move, and there are 6"
    ):
        raised_to_bear(model, PATHS[:6], {"turn": 4.0}, 0.05)
