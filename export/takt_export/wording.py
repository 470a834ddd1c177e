"""Words for people: a bundle's own record, its guarantee, and cells of tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from takt.core.intervals import exact_interval

if TYPE_CHECKING:  # the service's models take a while to load
    from takt.core.bundles.bundle import Bundle
    from takt.core.bundles.findings import Prices
    from takt.core.bundles.manifest import Manifest, Promise

NO_DECISION = "pictures beyond all good ones, and beyond what it bears, are undecided"


def drift_text(manifest: Manifest) -> str:
    """The differences from the model that it was made from, as the export measured them."""
    drift, whole = manifest.drift, manifest.drift.from_file
    pair = "torch and the graph" if manifest.reference == "torch" else "the file and the bundle"
    from_file = (
        ""
        if whole is None
        else f"score {whole.score:.2g}, map {whole.anomaly_map:.2g} from the picture's file on; of "
        "these "
    )
    return (
        f"{from_file}score {drift.score:.2g}, map {drift.anomaly_map:.2g} between {pair}, on "
        f"{drift.pictures} pictures"
    )


def defects_text(bundle: Bundle) -> str | None:
    """How many of the known defects it finds; None if it was shown none."""
    from takt.core.bundles.witnesses import anomalous

    thresholds, known = bundle.manifest.thresholds, bundle.calibration
    if not known.defect_score.size:
        return None
    by_score = known.defect_score.astype(float) > thresholds.image
    either = anomalous(thresholds, known.defect_score, known.defect_peak)
    return (
        f"{either.sum()} of {either.size} are anomalous, {by_score.sum()} by score and "
        f"{(either & ~by_score).sum()} by a region alone"
    )


def resize_text(manifest: Manifest) -> str | None:
    """Differences by another filter than the training's; None if it is the training's."""
    spec = manifest.preprocess
    if spec.drift is None:
        return None
    way = f"reduced decoding, then {spec.resize}," if spec.reduced_decode else spec.resize
    return (
        f"{way} instead of {spec.drift.trained_with} changes the score by up to "
        f"{spec.drift.score:.2g}, the map by {spec.drift.anomaly_map:.2g}, a pixel by "
        f"{spec.drift.grey_levels:g} levels, on {spec.drift.pictures} pictures"
    )


def roi_text(manifest: Manifest) -> str | None:
    """The bundle's region of interest; None if it has none."""
    roi = manifest.roi
    if roi is None:
        return None
    polygons = f"{len(roi.polygons)} polygons" if len(roi.polygons) != 1 else "a polygon"
    what = "a mask picture" if roi.mask else polygons if roi.polygons else "the picture"
    less = f" less {len(roi.exclude)}" if roi.exclude else ""
    return f"{roi.share:.1%} of the picture counts: {what}{less}"


def tiles_text(manifest: Manifest) -> str | None:
    """The tiles in which the bundle's model sees a picture; None if it sees it whole."""
    tiling = manifest.tiling
    if tiling is None:
        return None
    return (
        f"{tiling.width}x{tiling.height} pixels of the picture, overlapping by {tiling.overlap}, "
        f"blend {tiling.blend}"
    )


def guarantee_text(
    alpha: float, pictures: str, *, seen_known: bool, promise: Promise = "proven"
) -> str:
    """What thresholds of good pictures promise; `pictures` names those that they were found on.

    Args:
        alpha: false-reject rate that was aimed at, of score and map together.
        pictures: the good pictures, in words.
        seen_known: whether it is known that the training has seen none of them.
        promise: whether a rate is proven, or was measured on other parts.
    """
    percent = f"{100 * alpha:.3g} %"
    aim = (
        f"about {percent} of further good pictures like {pictures} are called anomalous, by score "
        "or by a region: that is the aim"
    )
    if promise == "measured":
        return f"{aim}, which rates on sets of real pictures were near. Nothing is proven"
    unsure = "" if seen_known else ", if the training has seen none of them"
    return (
        f"{aim}. Proven are at most {percent} by score, and at most {percent} by a region{unsure}"
    )


def aligned(
    rows: Sequence[Sequence[str]], justify: Callable[[str, int], str] = str.rjust
) -> list[str]:
    """Rows of cells as lines: the first column to the left, the others to the right.

    >>> aligned([["rule", "score"], ["best F1", "0.5"]])
    ['rule     score', 'best F1    0.5']

    Args:
        rows: of as many cells each.
        justify: places a cell of all columns but the first; `str.ljust` for the left.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else justify(cell, width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def price_lines(prices: Prices | None) -> list[str]:
    """The table of false-reject rates as lines of text, below its name; none without one."""
    if prices is None:
        return []
    return ["price of α", *(f"{'':<12}{line}" for line in aligned(price_rows(prices)))]


def price_rows(prices: Prices) -> list[list[str]]:
    """A head, and a row for each false-reject rate, with a star at the one in force."""
    shown = {"made-up defects found": prices.made_up, "given defects found": prices.given}
    by_lot = any(one.next_lot is not None for one in prices.at)
    further = ["further lot at most"] if by_lot else []
    names = [name for name, count in shown.items() if count]
    rows = [["alpha", "good rejected", *further, *names]]
    for one in prices.at:
        star = " *" if one.alpha == prices.alpha else ""
        found = (one.made_up, prices.made_up), (one.given, prices.given)
        cells = [with_interval(part, whole) for part, whole in found if whole]
        rejected = with_interval(one.rejected, prices.good)
        limit = "-" if one.next_lot is None else f"{100 * one.next_lot:.2g} %"
        limits = [limit] if by_lot else []
        rows.append([f"{100 * one.alpha:g} %{star}", rejected, *limits, *cells])
    return rows


def price_advice(prices: Prices) -> str | None:
    """Another rate that is worth it, and what takes it; None if none is."""
    advice = prices.advice
    if advice is None:
        return None
    return f"{advice}; the console's page of the model takes that rate, as does --alpha"


def with_interval(part: int, whole: int) -> str:
    """A part of a whole, and where its share lies with 95 %: `3 of 4 (19 to 99 %)`."""
    interval = exact_interval(part, whole)
    return f"{part} of {whole} ({100 * interval.low:.0f} to {100 * interval.high:.0f} %)"


def share(part: int, whole: int) -> str:
    """A part of a whole in numbers and percent: `3 of 4 (75.0%)`."""
    return f"{part} of {whole} ({part / whole:.1%})" if whole else "0 of 0"


def number(value: float | None) -> str:
    """A number with four decimals; a dash for None."""
    return "-" if value is None else f"{value:.4f}"


def encodable(text: str) -> str:
    """The text with the surrogates escaped that file names hold which are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
