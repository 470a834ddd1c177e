"""Words for people: what a bundle records of itself, and cells of tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the service's models take a while to load
    from service.bundles.manifest import Manifest


def drift_text(manifest: Manifest) -> str:
    """What the export measured of the graph against what it was made from."""
    drift = manifest.drift
    pair = "torch and the graph" if manifest.reference == "torch" else "the file and the bundle"
    return (
        f"score {drift.score:.2g}, map {drift.anomaly_map:.2g} between {pair}, on "
        f"{drift.pictures} pictures"
    )


def resize_text(manifest: Manifest) -> str | None:
    """What another way to the input than the training's changed; None if it is the training's."""
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
    """The bundle's region of interest; None if all of a picture counts."""
    roi = manifest.roi
    if roi is None:
        return None
    polygons = f"{len(roi.polygons)} polygons" if len(roi.polygons) != 1 else "a polygon"
    what = "a mask picture" if roi.mask else polygons if roi.polygons else "the picture"
    less = f" less {len(roi.exclude)}" if roi.exclude else ""
    return f"{roi.share:.1%} of the picture counts: {what}{less}"


def tiles_text(manifest: Manifest) -> str | None:
    """The tiles in which the bundle's model sees a picture; None if it sees the whole."""
    tiling = manifest.tiling
    if tiling is None:
        return None
    return (
        f"{tiling.width}x{tiling.height} pixels of the picture, overlapping by {tiling.overlap}, "
        f"blend {tiling.blend}"
    )


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def share(part: int, whole: int) -> str:
    """A part of a whole, in numbers and percent."""
    return f"{part} of {whole} ({part / whole:.1%})" if whole else "0 of 0"


def number(value: float | None) -> str:
    """To four places; a dash if there is none."""
    return "-" if value is None else f"{value:.4f}"
