from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from export.evaluate import Evaluation, EvaluationError, Latency, evaluate
from export.inspectors import Answer
from export.pictures import Sample
from export.tables import aligned, evaluation_table
from service.bundle import Preprocess
from service.errors import InvalidImageError
from service.placement import placement

THRESHOLD = 0.5
SPEC = Preprocess(width=2, height=2, resize="area")


@dataclasses.dataclass
class FakeInspector:
    """A picture's bytes are its score; its map is 2 × 2, the score in the first cell."""

    width: int = 2
    height: int = 2
    asked: int = 0

    def inspect(self, data: bytes) -> Answer:
        self.asked += 1
        score = float(data)
        if score < 0:
            raise InvalidImageError("the picture is cut short")
        anomaly_map = np.zeros((2, 2), np.float32)
        anomaly_map[0, 0] = score
        return Answer(
            score=score,
            threshold=THRESHOLD,
            anomalous=score > THRESHOLD,
            anomaly_map=anomaly_map,
            width=self.width,
            height=self.height,
            placed=placement(SPEC, self.width, self.height),
            total_ms=100 * score,
            wall_ms=200 * score,
        )


MakeSample = Callable[..., Sample]


@pytest.fixture
def make_sample(tmp_path: Path) -> MakeSample:
    """A file that holds a score, and a mask that marks the given (row, column) pixels."""

    def make(
        score: float,
        defect: str | None = None,
        marked: list[tuple[int, int]] | None = None,
        size: tuple[int, int] = (2, 2),
    ) -> Sample:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.png"
        path.write_bytes(str(score).encode())
        if marked is None:
            return Sample(path, defect, None)
        mask = np.zeros(size, np.uint8)
        for row, column in marked:
            mask[row, column] = 255
        mask_path = path.with_name(f"{path.stem}_mask.png")
        cv2.imwrite(str(mask_path), mask)
        return Sample(path, defect, mask_path)

    return make


def run(samples: list[Sample], inspector: FakeInspector | None = None) -> Evaluation:
    return evaluate(inspector or FakeInspector(), samples, model="parts", version="1", quiet=True)


def test_the_ranking_is_what_one_counts_by_hand(make_sample: MakeSample) -> None:
    good = [make_sample(score) for score in (0.1, 0.2, 0.6)]
    bad = [make_sample(score, "scratch") for score in (0.4, 0.7, 0.9)]
    ranking = run([*good, *bad]).image
    assert ranking is not None
    assert ranking.auroc == pytest.approx(8 / 9)  # of 9 pairs only (0.4, 0.6) is wrong
    # Recall steps by 1/3 at precisions 1/1, 2/2 and 3/4.
    assert ranking.average_precision == pytest.approx((1 + 1 + 3 / 4) / 3)
    # From 0.4 on: precision 3/4, recall 1; from 0.7 on: precision 1, recall 2/3.
    assert ranking.f1_max == pytest.approx(2 * 0.75 / 1.75)
    assert ranking.f1_max_threshold == 0.4


def test_verdicts_are_counted_at_the_deployed_threshold(make_sample: MakeSample) -> None:
    good = [make_sample(score) for score in (0.1, 0.2, 0.5, 0.6)]
    bad = [make_sample(0.4, "dent"), make_sample(0.7, "dent"), make_sample(0.9, "scratch")]
    result = run([*good, *bad])
    confusion = result.confusion
    assert (confusion.true_positive, confusion.false_negative) == (2, 1)
    assert (confusion.false_positive, confusion.true_negative) == (1, 3)  # 0.5 is not above 0.5
    assert result.false_reject_rate == 1 / 4
    assert (result.good, result.defective, result.threshold) == (4, 3, THRESHOLD)


def test_each_kind_of_defect_is_ranked_against_all_good_pictures(make_sample: MakeSample) -> None:
    good = [make_sample(score) for score in (0.2, 0.6)]
    bad = [make_sample(0.4, "dent"), make_sample(0.7, "dent"), make_sample(0.9, "scratch")]
    dent, scratch = run([*bad, *good]).by_defect
    assert (dent.defect, dent.pictures, dent.found, dent.auroc) == ("dent", 2, 1, 3 / 4)
    assert (scratch.defect, scratch.pictures, scratch.found, scratch.auroc) == ("scratch", 1, 1, 1)


def test_latencies_leave_the_warm_up_out(make_sample: MakeSample) -> None:
    inspector = FakeInspector()
    result = run([make_sample(score) for score in (0.0, 0.1, 0.2)], inspector)
    assert inspector.asked == 4
    assert result.total == Latency(p50_ms=pytest.approx(10), p95_ms=pytest.approx(19))
    assert result.wall == Latency(p50_ms=pytest.approx(20), p95_ms=pytest.approx(38))


def test_pixels_are_ranked_over_good_pictures_and_masked_defects(make_sample: MakeSample) -> None:
    samples = [
        make_sample(0.3),  # sound: 0.3 0 0 0
        make_sample(0.8, "dent", [(0, 0)]),  # defective: 0.8, sound: 0 0 0
        make_sample(0.2, "dent", [(0, 0), (1, 1)]),  # defective: 0.2 0, sound: 0 0
        make_sample(0.9, "dent"),  # not marked: left out
    ]
    result = run(samples)
    # Nine sound cells, one of them 0.3: 0.8 beats 9, 0.2 beats 8, 0 ties with 8.
    assert result.pixel_auroc == pytest.approx((9 + 8 + 8 / 2) / (3 * 9))
    assert result.masks == 2
    assert result.notes == (
        "defective pictures without a mask: 1; the pixel AUROC leaves them out",
    )


def test_without_masks_there_is_no_pixel_auroc(make_sample: MakeSample) -> None:
    result = run([make_sample(0.1), make_sample(0.9, "dent")])
    assert result.pixel_auroc is None
    assert result.notes == ("there are no masks in ground_truth: no pixel AUROC",)
    assert "pixel AUROC  " not in evaluation_table(result)


@pytest.mark.parametrize(
    ("defect", "note"),
    [(None, "there are no defective pictures"), ("dent", "there are no good pictures")],
)
def test_one_class_alone_gives_verdicts_but_no_ranking(
    make_sample: MakeSample, defect: str | None, note: str
) -> None:
    result = run([make_sample(0.1, defect), make_sample(0.9, defect)])
    assert result.image is None
    assert result.notes[0].startswith(note)
    assert result.false_reject_rate == (1 / 2 if defect is None else None)
    confusion = result.confusion
    assert confusion.true_positive + confusion.false_positive == 1
    assert note in evaluation_table(result)


def test_a_mask_of_another_size_is_refused(make_sample: MakeSample) -> None:
    sample = make_sample(0.9, "dent", [(0, 0)], size=(3, 2))
    with pytest.raises(EvaluationError, match=r"_mask\.png is 2 × 3, but its picture is 2 × 2"):
        run([sample])


def test_a_refused_picture_is_named(make_sample: MakeSample) -> None:
    sample = make_sample(-1.0)
    with pytest.raises(EvaluationError, match=rf"{sample.path.name}: the picture is cut short"):
        run([sample])


def test_the_table_is_aligned_and_complete(make_sample: MakeSample) -> None:
    samples = [
        make_sample(0.1),
        make_sample(0.6),
        make_sample(0.9, "a long name", [(0, 0)]),
        make_sample(0.7, "dent", [(0, 0)]),
    ]
    lines = evaluation_table(run(samples)).splitlines()
    assert lines[0] == "parts version 1: 2 good and 2 defective pictures"
    assert "image AUROC         1.0000" in lines
    assert "falsely rejected    1 of 2 (50.0%) good" in lines
    assert lines[-3:] == [
        "defect       pictures  found   AUROC",
        "a long name         1      1  1.0000",
        "dent                1      1  1.0000",
    ]


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert aligned([["a", "bbb"], ["cc", "d"]]) == ["a   bbb", "cc    d"]
