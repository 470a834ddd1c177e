from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from takt.core.bundles.findings import FitRecord, SelfTest
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.domain import Image
from takt.core.errors import CalibrationError
from takt_export.calibration import self_test as module
from takt_export.calibration.lots import Lots
from takt_export.calibration.next_lot import ScoresByLot
from takt_export.calibration.parts import Parts
from takt_export.calibration.pictures_to_use import CalibrationPictures
from takt_export.calibration.self_test import finding_lines, refuse_findings, self_test
from takt_export.calibration.subject import Subject
from takt_export.errors import SelfTestError
from takt_export.pictures import read_picture
from takt_export.synthetic.sized import SHAPE_KINDS

WritePictures = Callable[..., list[Path]]

THRESHOLD = 0.5
PIXEL_THRESHOLD = 2.0


@pytest.fixture(autouse=True)
def _made_up_defects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUNDS", 3)


@pytest.fixture(scope="module")
def pictures(
    write_pictures: WritePictures, tmp_path_factory: pytest.TempPathFactory
) -> CalibrationPictures:
    folder = tmp_path_factory.mktemp("self-test") / "good"
    return CalibrationPictures(tuple(write_pictures(folder, 6)), ())


def everywhere(width: int, height: int) -> np.ndarray:
    return np.ones((height, width), np.bool_)


def changed_share(pictures: CalibrationPictures) -> Callable[[Image], float]:
    """Share of a picture's pixels that differ from the good picture that it is most like."""
    good = np.stack([read_picture(path) for path in pictures.unseen])

    def score(picture: Image) -> float:
        return float((good != picture).any(axis=3).mean(axis=(1, 2)).min())

    return score


def subject(score: Callable[[Image], float], threshold: float = THRESHOLD) -> Subject:
    return Subject(
        family="efficientad",
        fit=FitRecord(steps=1000, pictures=100),
        thresholds=ThresholdPair(threshold, PIXEL_THRESHOLD),
        look=lambda picture: (score(picture), 0.0),
        counted=everywhere,
        good_score=np.zeros(6, np.float32),
        good_peak=np.zeros(6, np.float32),
        defect_score=np.zeros(0, np.float32),
        defect_peak=np.zeros(0, np.float32),
    )


def codes(tested: SelfTest) -> list[str]:
    return [one.code for one in tested.findings]


def test_a_model_that_sees_any_change_finds_every_defect(pictures: CalibrationPictures) -> None:
    tested = self_test(subject(changed_share(pictures), 0.0), pictures, quiet=True)
    assert tested.found == tested.defects == 3 * 4 * len(SHAPE_KINDS)
    assert tested.pictures == 3
    assert tested.smallest_px == 4  # a sixteenth of the root of 80 x 60
    assert codes(tested) == []


def test_a_model_that_answers_alike_to_everything_is_told(pictures: CalibrationPictures) -> None:
    tested = self_test(subject(lambda _: 0.1), pictures, quiet=True)
    assert tested.found == 0
    assert tested.smallest_px is None
    assert codes(tested) == ["made_up_missed"]


def test_the_smallest_size_that_is_found_is_told(pictures: CalibrationPictures) -> None:
    tested = self_test(subject(changed_share(pictures), 0.01), pictures, quiet=True)
    assert tested.smallest_px is not None
    assert tested.smallest_px > 4
    assert tested.text.endswith(f"the smallest found is about {tested.smallest_px} pixels")


def test_other_rates_are_priced_by_good_made_up_and_given_pictures(
    pictures: CalibrationPictures,
) -> None:
    def at(alpha: float) -> ThresholdPair:
        if alpha < 0.05:
            raise CalibrationError("too few")
        return ThresholdPair(1 - 10 * alpha, PIXEL_THRESHOLD)

    model = dataclasses.replace(
        subject(lambda _: 0.6, threshold=at(0.05).image),
        good_score=np.linspace(0, 0.3, len(pictures.unseen), dtype=np.float32),
        defect_score=np.array((0.1, 0.45, 0.55), np.float32),
        defect_peak=np.zeros(3, np.float32),
        alpha=0.05,
        at=at,
    )
    tested = self_test(model, pictures, quiet=True)
    prices = tested.prices
    assert prices is not None
    assert [one.alpha for one in prices.at] == [0.05, 0.1]
    assert (prices.made_up, prices.given, prices.good) == (tested.defects, 3, 6)
    assert [one.made_up for one in prices.at] == [tested.defects, tested.defects]
    assert [one.given for one in prices.at] == [1, 3]
    assert [one.rejected for one in prices.at] == [0, 5]
    assert prices.at[0].image == at(0.05).image


def test_of_the_next_lot_each_rate_has_its_limit(pictures: CalibrationPictures) -> None:
    scores = np.linspace(0, 1, 60, dtype=np.float32)
    lots = Lots(tuple(f"lot {number % 6}" for number in range(60)), "folders")

    def at(alpha: float) -> ThresholdPair:
        return ThresholdPair(1 - alpha, PIXEL_THRESHOLD)

    model = dataclasses.replace(
        subject(lambda _: 0.6, threshold=at(0.05).image),
        alpha=0.05,
        at=at,
        by_lot=ScoresByLot(lots, scores, np.zeros(60, np.float32), are_unseen=True),
    )
    tested = self_test(model, pictures, quiet=True)
    assert tested.next_lot is not None
    assert tested.prices is not None
    assert (tested.next_lot.lots, tested.next_lot.good, tested.next_lot.rejected) == (6, 60, 3)
    limits = {one.alpha: one.next_lot for one in tested.prices.at}
    assert limits[0.05] == tested.next_lot.limit
    assert [*limits.values()] == sorted(limits.values(), key=lambda one: one or 0)


def test_without_rates_of_good_pictures_nothing_is_priced(pictures: CalibrationPictures) -> None:
    assert self_test(subject(lambda _: 0.6), pictures, quiet=True).prices is None


def test_the_same_model_gets_the_same_result(pictures: CalibrationPictures) -> None:
    one, other = (
        self_test(subject(changed_share(pictures), 0.01), pictures, quiet=True) for _ in range(2)
    )
    assert one.sizes == other.sizes


def test_a_slow_model_gets_two_rounds_only(
    pictures: CalibrationPictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUDGET_S", 0.0)
    tested = self_test(subject(lambda _: 1.0), pictures, quiet=True)
    assert tested.defects == 2 * 4 * len(SHAPE_KINDS)


def test_a_defect_that_the_map_alone_shows_is_found(pictures: CalibrationPictures) -> None:
    shown = dataclasses.replace(subject(lambda _: 0.0), look=lambda _: (0.0, 5.0))
    tested = self_test(shown, pictures, quiet=True)
    assert tested.found == tested.defects > 0


def test_good_pictures_with_a_region_and_given_defects_without_one_are_counted(
    pictures: CalibrationPictures,
) -> None:
    known = dataclasses.replace(
        subject(lambda _: 1.0),
        good_peak=np.array([3, 3, 3, 0, 0, 0], np.float32),
        defect_score=np.zeros(3, np.float32),
        defect_peak=np.array([1, 2, 3], np.float32),
    )
    found = self_test(known, pictures, quiet=True).findings
    assert [one.text for one in found] == [
        "the threshold rejects 3 of 6 good pictures",
        "the threshold misses 2 of the 3 given defects",
    ]


def test_pictures_that_the_model_rejects_anyway_are_not_altered(
    pictures: CalibrationPictures,
) -> None:
    rejecting = dataclasses.replace(subject(lambda _: 1.0), good_score=np.ones(6, np.float32))
    tested = self_test(rejecting, pictures, quiet=True)
    assert tested.defects == 0
    assert tested.text == "no defect could be made up on these pictures"
    assert codes(tested) == ["good_rejected"]


def test_a_model_whose_thresholds_rest_on_another_part_is_told(
    pictures: CalibrationPictures,
) -> None:
    others = CalibrationPictures((), pictures.unseen)
    of_another_part = dataclasses.replace(
        subject(lambda _: 1.0),
        good_score=np.zeros(0, np.float32),
        good_peak=np.zeros(0, np.float32),
    )
    tested = self_test(of_another_part, others, quiet=True)
    assert codes(tested) == ["good_rejected"]
    assert tested.findings[0].text == "the threshold rejects 6 of 6 good pictures"


def test_defects_are_made_up_where_the_picture_counts(pictures: CalibrationPictures) -> None:
    good = np.stack([read_picture(path) for path in pictures.unseen])
    outside: list[int] = []

    def left(width: int, height: int) -> np.ndarray:
        counted = np.zeros((height, width), np.bool_)
        counted[:, : width // 2] = True
        return counted

    def look(picture: Image) -> float:
        changed = (good != picture).any(axis=3)
        changed = changed[changed.sum(axis=(1, 2)).argmin()]
        outside.append(int(changed[:, 40:].sum()))
        return 1.0

    self_test(dataclasses.replace(subject(look), counted=left), pictures, quiet=True)
    assert outside
    assert max(outside) == 0


def test_a_threshold_that_misses_the_given_defects_is_told(pictures: CalibrationPictures) -> None:
    missing = dataclasses.replace(
        subject(lambda _: 1.0),
        defect_score=np.array([0.1, 0.5, 0.9], np.float32),
        defect_peak=np.zeros(3, np.float32),
    )
    tested = self_test(missing, pictures, quiet=True)
    assert codes(tested) == ["defects_missed"]
    assert tested.findings[0].text == "the threshold misses 2 of the 3 given defects"


def test_files_that_repeat_each_other_are_told(
    pictures: CalibrationPictures,
) -> None:
    parts = Parts((0, 1, 2, 3, 4, 0))
    more = CalibrationPictures(pictures.unseen, (), parts=parts, repeated=1)
    tested = self_test(subject(lambda _: 1.0), more, quiet=True)
    assert codes(tested) == ["duplicate_pictures"]


def test_findings_are_one_loud_line_each_with_the_remedy_and_can_be_refused(
    pictures: CalibrationPictures,
) -> None:
    tested = self_test(subject(lambda _: 0.1), pictures, quiet=True)
    (line,) = finding_lines(tested)
    assert line.startswith("WARNING     made_up_missed: ")
    assert tested.findings[0].remedy in line
    with pytest.raises(SelfTestError, match="--strict"):
        refuse_findings(tested)
    refuse_findings(self_test(subject(lambda _: 1.0), pictures, quiet=True))
