"""Thresholds of a part's views: jointly by the parts they share, else each by its share of α."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.bundles.bundle import Bundle, Calibration
from takt.core.errors import CalibrationError, TooFewPicturesError
from takt.multiview.recipe import ViewThresholds
from takt.multiview.view_thresholds import thresholds_of_views

NONE = np.zeros(0, np.float32)


def calibrated(
    bundle: Bundle,
    name: str,
    scores: NDArray[np.float32],
    peaks: NDArray[np.float32] | None = None,
    parts: Sequence[str] = (),
) -> Bundle:
    return replace(
        bundle,
        manifest=bundle.manifest.model_copy(update={"name": name}),
        calibration=Calibration(
            scores,
            scores if peaks is None else peaks,
            NONE,
            NONE,
            parts=np.array(parts, np.str_) if parts else np.zeros(0, "U1"),
        ),
    )


def counting(count: int) -> NDArray[np.float32]:
    return np.arange(1, count + 1, dtype=np.float32)


def ids(numbers: Sequence[int] | range) -> list[str]:
    return [f"{number:04}" for number in numbers]


def one_view(bundle: Bundle, alpha: float, views: int) -> ViewThresholds:
    """Of as many views that one model judges."""
    found = thresholds_of_views([bundle] * views, alpha)
    assert len(found) == views and len(set(found)) == 1
    return found[0]


@pytest.mark.parametrize(("views", "image"), [(1, 180.0), (2, 190.0), (4, 195.0)])
def test_each_view_is_judged_at_its_share(bundle: Bundle, views: int, image: float) -> None:
    found = one_view(calibrated(bundle, "m", counting(199)), 0.1, views)
    assert (found.image, found.pixel) == (image, image)
    assert (found.alpha, found.good_count, found.part_count) == (0.1 / views, 199, None)


@pytest.mark.parametrize(("views", "needed"), [(1, 99), (2, 199), (4, 399)])
def test_fewer_pictures_than_the_share_needs_are_refused_and_as_many_are_enough(
    bundle: Bundle, views: int, needed: int
) -> None:
    assert one_view(calibrated(bundle, "m", counting(needed)), 0.01, views).image == needed
    with pytest.raises(TooFewPicturesError, match=f"needs {needed};"):
        one_view(calibrated(bundle, "m", counting(needed - 1)), 0.01, views)


def test_without_good_pictures_fewer_views_or_thresholds_by_hand_are_the_way(
    bundle: Bundle,
) -> None:
    with pytest.raises(TooFewPicturesError, match="fewer views, or set"):
        one_view(calibrated(bundle, "m", NONE), 0.01, 2)


def test_a_recipe_without_a_calibrated_view_has_no_thresholds_to_find() -> None:
    assert thresholds_of_views([], 0.01) == ()


def test_score_and_peak_together_reject_no_more_than_the_view_s_share(bundle: Bundle) -> None:
    """A bundle's own thresholds would reject near twice as much where both say different things."""
    rng, rates = np.random.default_rng(0), []
    for _ in range(300):
        score, peak = rng.normal(size=(2, 199)).astype(np.float32)
        found = one_view(calibrated(bundle, "m", score, peak), 0.02, 4)
        more = rng.normal(size=(2, 2000))
        rates.append(float(((more[0] > found.image) | (more[1] > found.pixel)).mean()))
    assert 0.004 < np.mean(rates) < 0.006


def test_of_the_parts_that_calibrate_no_more_are_rejected_than_the_rank_says(
    bundle: Bundle,
) -> None:
    """The part that makes the thresholds passes, and all that are as odd, whatever is rounded."""
    names = ids(range(199))
    for seed in range(400):
        rng = np.random.default_rng(seed)
        scores = [rng.choice(rng.gamma(2, 0.1, 24).astype(np.float32), 199) for _ in range(2)]
        models = [
            calibrated(bundle, name, of_view, parts=names)
            for name, of_view in zip(("top", "side"), scores, strict=True)
        ]
        found = thresholds_of_views(models, 0.05)
        rejected = [
            of_view.astype(np.float64) > min(one.image, one.pixel)
            for of_view, one in zip(scores, found, strict=True)
        ]
        assert np.any(rejected, axis=0).sum() <= 9


def test_good_pictures_that_are_all_alike_have_a_threshold_all_the_same(bundle: Bundle) -> None:
    alike = np.full(99, 0.25, np.float32)
    found = one_view(calibrated(bundle, "m", alike), 0.01, 1)
    assert (found.image, found.pixel) == (0.25, 0.25)


def test_views_whose_calibrations_share_parts_have_one_level_of_the_highest_view(
    bundle: Bundle,
) -> None:
    """In both views the parts are as odd as each other, so that all of α is the first view's."""
    names = ids(range(99))
    top = calibrated(bundle, "top", counting(99), parts=names)
    side = calibrated(bundle, "side", counting(99) / 10, parts=names)
    first, second = thresholds_of_views([top, side], 0.1)
    assert (first.image, second.image) == (pytest.approx(90), pytest.approx(9))
    assert (first.pixel, second.pixel) == (pytest.approx(90), pytest.approx(9))
    for one in (first, second):
        assert (one.source, one.alpha, one.good_count) == ("calibration", 0.1, 99)
        assert one.part_count == 99


def test_a_part_s_views_are_found_by_its_id_wherever_they_stand(bundle: Bundle) -> None:
    top = calibrated(bundle, "top", counting(99), parts=ids(range(99)))
    side = calibrated(bundle, "side", counting(99)[::-1].copy(), parts=ids(range(98, -1, -1)))
    assert thresholds_of_views([top, side], 0.1)[1].image == pytest.approx(90)
    # By their places the oddest of one view would be the least odd of the other.
    other = calibrated(bundle, "side", counting(99)[::-1].copy(), parts=ids(range(99)))
    assert thresholds_of_views([top, other], 0.1)[1].image == pytest.approx(95)


def test_the_scale_is_of_all_pictures_and_the_rank_of_the_shared_parts(bundle: Bundle) -> None:
    top = calibrated(bundle, "top", counting(300), parts=ids(range(300)))
    side = calibrated(bundle, "side", counting(200), parts=ids(range(200, 400)))
    first, second = thresholds_of_views([top, side], 0.05)
    assert (first.part_count, first.good_count) == (100, 300)
    assert (second.part_count, second.good_count) == (100, 200)
    with pytest.raises(TooFewPicturesError, match=r"same 199 parts.*\(now 100\)"):
        thresholds_of_views([top, side], 0.005)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [""] * 99,
        ["0001"] * 99,
        [f"other{number}" for number in range(99)],
        ["0098", *ids(range(1, 99))],
    ],
    ids=["none", "unknown", "one part", "others", "one twice"],
)
def test_too_few_parts_that_each_view_knows_leave_each_view_its_share(
    bundle: Bundle, parts: list[str]
) -> None:
    top = calibrated(bundle, "top", counting(199), parts=ids(range(199)))
    side = calibrated(bundle, "side", counting(199), parts=[*parts, *[""] * 100] if parts else [])
    assert [one.part_count for one in thresholds_of_views([top, side], 0.01)] == [None] * 2


def test_a_part_of_several_pictures_in_a_view_counts_by_the_highest(bundle: Bundle) -> None:
    top = calibrated(bundle, "top", counting(99), parts=ids(range(99)))
    # Each part twice: the second picture of each is 99 higher.
    side = calibrated(bundle, "side", counting(198), parts=ids(range(99)) * 2)
    first, second = thresholds_of_views([top, side], 0.1)
    assert (first.part_count, second.part_count) == (99, 99)
    # Of side's own 198 pictures the 90th of 99 parts is the 189th.
    assert second.image == pytest.approx(189)


def test_views_that_one_model_judges_have_their_shares_whatever_parts_it_knows(
    bundle: Bundle,
) -> None:
    """It has one score of each part, which is not that of either view."""
    one = calibrated(bundle, "m", counting(199), parts=ids(range(199)))
    later = replace(one, manifest=one.manifest.model_copy(update={"version": "2"}))
    for both in ([one, one], [one, later]):
        assert [found.part_count for found in thresholds_of_views(both, 0.01)] == [None] * 2


def test_one_view_alone_is_judged_by_all_of_its_pictures(bundle: Bundle) -> None:
    one = calibrated(bundle, "m", counting(199), parts=ids(range(100)) + [""] * 99)
    (found,) = thresholds_of_views([one], 0.01)
    assert (found.part_count, found.good_count, found.alpha) == (None, 199, 0.01)


def test_pictures_that_are_all_alike_in_one_view_leave_each_view_its_share(bundle: Bundle) -> None:
    names = ids(range(199))
    top = calibrated(bundle, "top", counting(199), parts=names)
    side = calibrated(bundle, "side", np.full(199, 0.25, np.float32), parts=names)
    first, second = thresholds_of_views([top, side], 0.01)
    assert (first.part_count, second.part_count, second.image) == (None, None, 0.25)


@pytest.mark.parametrize(
    ("alpha", "parts", "alike"),
    [(0.05, 199, 0.0), (0.05, 199, 0.7), (0.05, 199, 1.0), (0.01, 99, 0.0), (0.01, 99, 0.7)],
)
def test_jointly_a_good_part_is_rejected_at_alpha_however_its_views_hang_together(
    bundle: Bundle, alpha: float, parts: int, alike: float
) -> None:
    """On the scale by the mean of the tail, 1.4 % of 99 parts would be where 1 % is asked."""
    rng, rates = np.random.default_rng(0), []
    names = ids(range(parts))

    def drawn(count: int) -> NDArray[np.float32]:
        """Score and peak of two views, [view, witness, part]."""
        shared, own = rng.normal(size=(1, 2, count)), rng.normal(size=(2, 2, count))
        return (alike**0.5 * shared + (1 - alike) ** 0.5 * own).astype(np.float32)

    for _ in range(400):
        views = [
            calibrated(bundle, name, *witnesses, parts=names)
            for name, witnesses in zip(("top", "side"), drawn(parts), strict=True)
        ]
        found = thresholds_of_views(views, alpha)
        rejected = [
            (scores > one.image) | (peaks > one.pixel)
            for one, (scores, peaks) in zip(found, drawn(1000), strict=True)
        ]
        rates.append(float(np.any(rejected, axis=0).mean()))
    assert 0.85 * alpha < np.mean(rates) < 1.2 * alpha


def test_scores_out_of_fold_have_the_scale_of_the_tail_where_all_views_have_them(
    bundle: Bundle,
) -> None:
    rng, names = np.random.default_rng(0), ids(range(99))
    top, side = (
        calibrated(bundle, name, *rng.normal(size=(2, 99)).astype(np.float32), parts=names)
        for name in ("top", "side")
    )

    def by_fit(one: Bundle) -> Bundle:
        own = one.manifest.thresholds.model_copy(update={"promise": "measured"})
        return replace(one, manifest=one.manifest.model_copy(update={"thresholds": own}))

    usual = thresholds_of_views([top, side], 0.05)
    assert thresholds_of_views([by_fit(top), side], 0.05) == usual
    assert thresholds_of_views([by_fit(top), by_fit(side)], 0.05) != usual


def test_a_refusal_tells_both_ways_out_and_an_alpha_that_is_taken(bundle: Bundle) -> None:
    top = calibrated(bundle, "top", counting(60), parts=ids(range(60)))
    side = calibrated(bundle, "side", counting(60), parts=ids(range(18, 78)))
    with pytest.raises(TooFewPicturesError) as refused:
        thresholds_of_views([top, side], 0.01)
    assert str(refused.value) == (
        "top 1 was calibrated with 60 good pictures, and a view of 2 at alpha 0.01 needs 199; "
        "calibrate it with as many, or calibrate each view's own model with pictures of the same "
        "99 parts, which --group tells (now 42), ask for an alpha of 0.0233 or more, or set the "
        "view's thresholds by hand"
    )
    assert thresholds_of_views([top, side], 0.0233)[0].part_count == 42


def test_a_score_that_is_no_number_is_refused_with_its_model(bundle: Bundle) -> None:
    scores = counting(199)
    scores[3] = np.nan
    with pytest.raises(CalibrationError, match="side 1: a good picture's score is not a finite"):
        thresholds_of_views(
            [calibrated(bundle, "top", counting(199)), calibrated(bundle, "side", scores)], 0.01
        )
