"""Tiles as people ask for them, and what they mean to an export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from export.bundling.source import SourceFacts
from export.errors import ExportError
from service.bundles.manifest import Tiling


def in_tiles(facts: SourceFacts, tiling: Tiling | None) -> SourceFacts:
    """The facts of a model that is to see pictures in tiles; as they are without any.

    Raises:
        ExportError: it crops its pictures, or has a region of interest.
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
    """Whether a tile would not fit into a picture of this size, which is enlarged then."""
    return tiling is not None and (width < tiling.width or height < tiling.height)


def warn_of_small(count: int, tiling: Tiling | None, tell: Callable[[str], None]) -> None:
    """Tell that good pictures, `count` of them, are smaller than a tile; nothing if none is."""
    if tiling is not None and count:
        tell(
            f"warning: good pictures that are smaller than a tile of {tiling.width}x"
            f"{tiling.height} pixels: {count}; the model sees these enlarged, unlike those of the "
            "line"
        )
