"""Tiles and what they change in an export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from takt.core.bundles.tiling import Tiling
from takt_export.bundling.source import SourceFacts
from takt_export.errors import ExportError


def with_tiling(facts: SourceFacts, tiling: Tiling | None) -> SourceFacts:
    """The facts of a model that is to see pictures in tiles; unchanged if `tiling` is None.

    Raises:
        ExportError: the model crops its pictures, or has a region of interest.
    """
    if tiling is None:
        return facts
    if facts.preprocess.crop is not None:
        raise ExportError(
            "this model sees only the centre of what it is given, which would leave gaps between "
            "tiles; resize each whole tile to its input (--full-view of a checkpoint, or an import "
            "without --crop-from), or leave --tile out"
        )
    if facts.roi is not None:
        raise ExportError(
            "--roi and --tile do not go together: what counts lies on the picture, and the graph, "
            "which holds it, sees tiles; leave one of them out, or cut the pictures before they "
            "are sent"
        )
    # The training's thresholds belong to maps and scores of whole pictures.
    return replace(facts, tiling=tiling, trained_thresholds=None)


def is_smaller(width: int, height: int, tiling: Tiling | None) -> bool:
    """Whether a picture of this size is smaller than a tile, so that it is enlarged."""
    return tiling is not None and (width < tiling.width or height < tiling.height)


def warn_of_small_pictures(count: int, tiling: Tiling | None, tell: Callable[[str], None]) -> None:
    """Warn if `count` good pictures are smaller than a tile."""
    if tiling is not None and count:
        tell(
            f"warning: good pictures that are smaller than a tile of {tiling.width}x"
            f"{tiling.height} pixels: {count}; the model sees these enlarged, unlike those of the "
            "line"
        )
