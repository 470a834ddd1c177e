from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from takt.core.bundles.findings import AlphaPrice, Prices
from takt.core.bundles.manifest import Preprocess
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.errors import InvalidImageError
from takt.core.pictures.placement import placement
from takt_export.errors import EvaluationError
from takt_export.evaluation.data_sets import DataSet, Sample
from takt_export.evaluation.evaluate import Evaluation, evaluate
from takt_export.evaluation.inspectors import InspectedPicture
from takt_export.evaluation.metrics import Latency
from takt_export.report.evaluation_table import evaluation_table
from takt_export.wording import aligned

THRESHOLD = 0.5
SPEC = Preprocess(width=2, height=2, resize="area")


@dataclasses.dataclass
class FakeInspector:
    """A picture's bytes are its score; its map is 2 × 2, the score in the first cell."""

    width: int = 2
    height: int = 2
    asked: int = 0

    def inspect(self, data: bytes) -> InspectedPicture:
        self.asked += 1
        score = float(data)
        if score < 0:
            raise InvalidImageError("the picture is cut short")
        anomaly_map = np.zeros((2, 2), np.float32)
        anomaly_map[0, 0] = score
        return InspectedPicture(
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
            return Sample(path, defect)
        mask = np.zeros(size, np.uint8)
        for row, column in marked:
            mask[row, column] = 255
        mask_path = path.with_name(f"{path.stem}_mask.png")
        cv2.imwrite(str(mask_path), mask)
        return Sample(path, defect, (mask_path,))

    return make


def run(samples: list[Sample], inspector: FakeInspector | None = None) -> Evaluation:
    data = DataSet(Path("parts"), "plain", tuple(samples), ("as labelled",))
    return evaluate(
        inspector or FakeInspector(), data, model="parts", version="1", pixel_side=2, quiet=True
    )


def test_the_ranking_is_what_one_counts_by_hand(make_sample: MakeSample) -> None:
    good = [make_sample(score) for score in (0.1, 0.2, 0.6)]
    bad = [make_sample(score, "scratch") for score in (0.4, 0.7, 0.9)]
    result = run([*good, *bad])
    assert result.real is not None
    ranking = result.real.image
    assert ranking is not None
    assert ranking.auroc == pytest.approx(8 / 9)  # of 9 pairs only (0.4, 0.6) is wrong
    # Recall steps by 1/3 at precisions 1/1, 2/2 and 3/4.
    assert ranking.average_precision == pytest.approx((1 + 1 + 3 / 4) / 3)
    # From 0.4 on: precision 3/4, recall 1; from 0.7 on: precision 1, recall 2/3.
    assert ranking.f1_max == pytest.approx(2 * 0.75 / 1.75)
    assert ranking.f1_max_threshold == 0.4
    assert [one.score for one in result.pictures] == [0.1, 0.2, 0.6, 0.4, 0.7, 0.9]


def test_verdicts_are_counted_at_the_deployed_threshold(make_sample: MakeSample) -> None:
    good = [make_sample(score) for score in (0.1, 0.2, 0.5, 0.6)]
    bad = [make_sample(0.4, "dent"), make_sample(0.7, "dent"), make_sample(0.9, "scratch")]
    result = run([*good, *bad])
    assert result.real is not None
    confusion = result.real.confusion
    assert (confusion.true_positive, confusion.false_negative) == (2, 1)
    assert (confusion.false_positive, confusion.true_negative) == (1, 3)  # 0.5 is not above 0.5
    assert confusion.false_reject_rate == 1 / 4
    assert confusion.recall == confusion.precision == pytest.approx(2 / 3)
    assert (result.real.good, result.real.defective, result.threshold) == (4, 3, THRESHOLD)


def test_each_kind_of_defect_is_compared_with_all_good_pictures(make_sample: MakeSample) -> None:
    good = [make_sample(score) for score in (0.2, 0.6)]
    bad = [
        make_sample(0.4, "dent", [(0, 0)]),
        make_sample(0.7, "dent", [(0, 0)]),
        make_sample(0.9, "scratch", [(1, 1)]),
        make_sample(0.1, "stain"),
    ]
    dent, scratch, stain = run([*bad, *good]).by_defect
    assert (dent.defects, dent.defective, dent.confusion.true_positive) == ("dent", 2, 1)
    assert dent.image is not None
    assert dent.image.auroc == 3 / 4
    assert dent.pixel is not None
    # Sound: 0.2, 0.6 and twelve times 0; defective: 0.4, which beats 13 of them, and 0.7.
    assert dent.pixel.auroc == pytest.approx((13 + 14) / 28)
    assert scratch.pixel is not None
    # Sound: 0.2, 0.6, 0.9 and eight times 0, with which the defective 0 ties.
    assert scratch.pixel.auroc == pytest.approx(4 / 11)
    assert scratch.pixel.regions == 1
    assert stain.pixel is None


def test_latencies_leave_the_warm_up_out(make_sample: MakeSample) -> None:
    inspector = FakeInspector()
    result = run([make_sample(score) for score in (0.0, 0.1, 0.2)], inspector)
    assert inspector.asked == 4
    half, most, nearly_all = (pytest.approx(value) for value in (10, 19, 19.8))
    assert result.total == Latency(p50_ms=half, p95_ms=most, p99_ms=nearly_all)
    assert result.wall.p99_ms == pytest.approx(39.6)


def test_pixels_are_compared_on_good_pictures_and_masked_defects(make_sample: MakeSample) -> None:
    samples = [
        make_sample(0.3),  # sound: 0.3 0 0 0
        make_sample(0.8, "dent", [(0, 0)]),  # defective: 0.8, sound: 0 0 0
        make_sample(0.2, "dent", [(0, 0), (1, 1)]),  # defective: 0.2 0, sound: 0 0
        make_sample(0.9, "dent"),  # not marked: left out
    ]
    result = run(samples)
    assert result.real is not None
    pixel = result.real.pixel
    assert pixel is not None
    # Nine sound cells, one of them 0.3: 0.8 beats 9, 0.2 beats 8, 0 ties with 8.
    assert pixel.auroc == pytest.approx((9 + 8 + 8 / 2) / (3 * 9))
    assert pixel.regions == 2  # the two corners of the third picture touch
    # Overlap: 1/2 at no false positive and at 1/9, where 1/4 more is found; then up to all.
    at_30 = 3 / 4 + (0.3 - 1 / 9) / (8 / 9) / 4
    expected = (1 / 9 * 1 / 2 + (0.3 - 1 / 9) * (3 / 4 + at_30) / 2) / 0.3
    assert pixel.aupro_30 == pytest.approx(expected)
    assert result.real.masks == 2
    assert result.notes == (
        "as labelled",
        "defective pictures without a mask: 1; the figures of pixels leave them out",
    )


def test_a_defect_is_where_any_of_its_masks_marks_it(make_sample: MakeSample) -> None:
    first, second = (make_sample(0.9, "dent", [at]) for at in [(0, 0), (1, 1)])
    both = Sample(first.path, "dent", (*first.masks, *second.masks))
    result = run([make_sample(0.1), both])
    assert result.real is not None
    assert result.real.pixel is not None
    # Defective: 0.9 and 0. Sound: 0.1 and five times 0.
    assert result.real.pixel.auroc == pytest.approx((6 + 5 / 2) / 12)


def test_without_masks_there_are_no_figures_of_pixels(make_sample: MakeSample) -> None:
    result = run([make_sample(0.1), make_sample(0.9, "dent")])
    assert result.real is not None
    assert result.real.pixel is None
    assert result.notes[1:] == ("there are no masks in ground_truth: no figures of pixels",)
    assert "AUPRO 30 % / 5 %" not in evaluation_table(result)


def test_a_mark_that_no_compared_pixel_hits_is_noted(make_sample: MakeSample) -> None:
    samples = [make_sample(0.1), make_sample(0.9, "dent", [(1, 1), (6, 6)], size=(8, 8))]
    # Of eight pixels the third and the seventh are taken.
    result = run(samples, FakeInspector(width=8, height=8))
    assert result.real is not None
    assert result.real.pixel is not None
    assert result.real.pixel.regions == 1
    assert "smaller than a pixel of the comparison" in result.notes[-1]
    assert ": 1; " in result.notes[-1]


def test_real_and_synthetic_defects_are_told_apart(make_sample: MakeSample) -> None:
    good = [make_sample(score) for score in (0.1, 0.6)]
    real = make_sample(0.4, "dent")
    drawn = make_sample(0.9, "synthetic-perlin", [(0, 0)])
    mixed = run([*good, real, drawn])
    assert mixed.real is not None
    assert mixed.synthetic is not None
    assert (mixed.real.defective, mixed.synthetic.defective) == (1, 1)
    assert (mixed.real.synthetic, mixed.synthetic.synthetic) == (False, True)
    assert mixed.real.image is not None
    assert mixed.synthetic.image is not None
    assert (mixed.real.image.auroc, mixed.synthetic.image.auroc) == (1 / 2, 1)
    assert mixed.real.pixel is None  # only the synthetic one is marked
    assert [one.synthetic for one in mixed.by_defect] == [False, True]
    table = evaluation_table(mixed)
    assert "2 good, 1 defective and 1 synthetic defective pictures" in table
    assert table.index("image AUROC         0.5000") < table.index("SYNTHETIC")
    assert table.index("SYNTHETIC") < table.index("image AUROC         1.0000")

    alone = run([*good, drawn])
    assert alone.real is None
    assert evaluation_table(alone).splitlines()[2].startswith("SYNTHETIC")


@pytest.mark.parametrize(
    ("defect", "note"),
    [(None, "there are no defective pictures"), ("dent", "there are no good pictures")],
)
def test_one_class_alone_gives_verdicts_but_no_ranking(
    make_sample: MakeSample, defect: str | None, note: str
) -> None:
    result = run([make_sample(0.1, defect), make_sample(0.9, defect)])
    assert result.real is not None
    assert result.real.image is None
    assert result.notes[1].startswith(note)
    confusion = result.real.confusion
    assert confusion.false_reject_rate == (1 / 2 if defect is None else None)
    assert confusion.recall == (None if defect is None else 1 / 2)
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
        make_sample(0.7, "dent"),
    ]
    lines = evaluation_table(run(samples)).splitlines()
    assert lines[0] == "parts version 1: 2 good and 2 defective pictures"
    assert "image AUROC         1.0000" in lines
    assert "pixel AUROC         1.0000  with 1 masks, at 2 × 2 pixels" in lines
    assert "AUPRO 30 % / 5 %    1.0000 / 1.0000  over 1 regions" in lines
    assert "falsely rejected    1 of 2 (50.0%) good" in lines
    assert "precision / recall  0.6667 / 1.0000" in lines
    assert lines[-5:-2] == [
        "defect       pictures  found   AUROC      AP  pixel AUROC  AUPRO 30 %",
        "a long name         1      1  1.0000  1.0000       1.0000      1.0000",
        "dent                1      1  1.0000  1.0000            -           -",
    ]
    assert lines[-2] == "note: as labelled"


def test_other_rates_are_counted_beside_the_one_in_force(make_sample: MakeSample) -> None:
    samples = [make_sample(score) for score in (0.1, 0.45, 0.6)]
    samples += [make_sample(score, "dent") for score in (0.3, 0.45, 0.9)]
    at = tuple(
        AlphaPrice(alpha=alpha, image=limit, pixel=limit, rejected=0, made_up=0, given=0)
        for alpha, limit in ((0.01, THRESHOLD), (0.1, 0.4))
    )
    prices = Prices(alpha=0.01, good=100, made_up=0, given=0, at=at)
    result = evaluate(
        FakeInspector(), DataSet(Path(), "mvtec", tuple(samples)), model="parts", version="1",
        quiet=True, prices=prices, deployed=ThresholdPair(THRESHOLD, THRESHOLD),
    )  # fmt: skip
    counts = [
        (one.in_force, one.confusion.false_positive, one.confusion.true_positive)
        for one in result.at_rates
    ]
    assert counts == [(True, 1, 1), (False, 2, 2)]
    rows = [line.split("  ") for line in evaluation_table(result).splitlines()]
    counted = "1 of 3 (1 to 91 %)"
    assert [[cell.strip() for cell in row if cell] for row in rows if row[0] == "1 % *"] == [
        ["1 % *", counted, counted]
    ]


def test_what_is_undecided_is_anomalous_at_every_rate(make_sample: MakeSample) -> None:
    class Undecided(FakeInspector):
        def inspect(self, data: bytes) -> InspectedPicture:
            return dataclasses.replace(super().inspect(data), anomalous=True)

    price = AlphaPrice(alpha=0.01, image=0.8, pixel=0.8, rejected=0, made_up=0, given=0)
    samples = (make_sample(0.1), make_sample(0.2, "dent"))
    result = evaluate(
        Undecided(), DataSet(Path(), "mvtec", samples), model="parts", version="1", quiet=True,
        prices=Prices(alpha=0.01, good=100, made_up=0, given=0, at=(price,)),
        deployed=ThresholdPair(THRESHOLD, THRESHOLD),
    )  # fmt: skip
    (one,) = result.at_rates
    assert (one.confusion.false_positive, one.confusion.true_positive) == (1, 1)


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert aligned([["a", "bbb"], ["cc", "d"]]) == ["a   bbb", "cc    d"]
