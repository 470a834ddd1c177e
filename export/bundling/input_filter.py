"""The way from a picture to the model's input, where people ask for another than the training's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from export.bundling.measure import measure_resize
from export.bundling.source import SourceFacts
from export.errors import ExportError
from service.bundles.manifest import Filter, Preprocess
from service.engines.base import Engine
from service.pictures.decode import divisor_of


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
    tell: Callable[[str], None],
) -> SourceFacts:
    """The facts with the way that the service takes, and its cost if it is not the training's.

    Args:
        facts: of the model, with the training's way.
        way: that the service takes.
        engine: runs the graph.
        pictures: on which the cost is measured; where only the decoding differs, on those of them
            that are decoded reduced.
        quiet: show no bar.
        tell: takes a warning of pictures that are not.

    Raises:
        ExportError: an answer is not finite, or none of the pictures is decoded reduced though the
            way allows it.
        PicturesError: a picture cannot be read.
    """
    trained = facts.preprocess
    if way == trained:
        return facts
    if way.reduced_decode:
        reduced = _reduced(pictures, way, tell)
        pictures = pictures if way.resize != trained.resize else reduced
    other = replace(facts, preprocess=way)
    cost = measure_resize(engine, pictures, other, trained.resize, quiet=quiet)
    return replace(other, preprocess=way.model_copy(update={"drift": cost}))


def _reduced(
    pictures: Sequence[Path], way: Preprocess, tell: Callable[[str], None]
) -> Sequence[Path]:
    """Those that are decoded at a part of their size; at least one."""
    least = way.least_side
    reduced = [path for path in pictures if divisor_of(path.read_bytes(), least) > 1]
    large = f"JPEGs with at least {2 * least} pixels on each side"
    if not reduced:
        raise ExportError(
            f"--reduced-decode would change none of these pictures, as only {large} are decoded at "
            "a part of their size, so that neither its cost nor its thresholds could be measured; "
            "give the JPEGs that the line sends as --good, or leave it out"
        )
    if whole := len(pictures) - len(reduced):
        tell(
            f"warning: {whole} of {len(pictures)} compared pictures are decoded whole, as only "
            f"{large} are decoded reduced; thresholds hold for pictures like the good ones, so "
            "give those that the line sends"
        )
    return reduced
