"""The way from a picture to the model's input, where people ask for another than the training's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from export.graph import ExportError
from export.measure import measure_resize
from export.source import SourceFacts
from service.engines.base import Engine
from service.manifest import Filter, Preprocess


def asked_way(facts: SourceFacts, resize: Filter | None, *, reduced_decode: bool) -> Preprocess:
    """How the service is to make the model's input.

    Args:
        facts: of the model.
        resize: filter instead of the training's.
        reduced_decode: whether JPEGs may be decoded at a part of their size.

    Raises:
        ExportError: reduced pictures are asked for where nothing goes on from them.
    """
    resize = resize or facts.preprocess.resize
    if reduced_decode and resize != "area":
        raise ExportError(
            f"--reduced-decode goes before area, and this model has pictures resized by {resize}; "
            "add --resize area, whose cost is measured too, or leave it out"
        )
    if reduced_decode and facts.tiling is not None:
        raise ExportError(
            "tiles are cut out of the whole picture, so that --reduced-decode does not go with "
            "--tile; leave one of them out"
        )
    asked = {"resize": resize, "reduced_decode": reduced_decode}
    return facts.preprocess.model_copy(update=asked)


def with_way(
    facts: SourceFacts,
    way: Preprocess,
    engine: Engine,
    pictures: Sequence[Path],
    *,
    quiet: bool,
) -> SourceFacts:
    """The facts with the way that the service takes, and its cost if it is not the training's.

    Raises:
        ExportError: an answer is not finite.
        PicturesError: a picture cannot be read.
    """
    trained = facts.preprocess
    if way == trained:
        return facts
    other = replace(facts, preprocess=way)
    cost = measure_resize(engine, pictures, other, trained.resize, quiet=quiet)
    return replace(other, preprocess=way.model_copy(update={"drift": cost}))
