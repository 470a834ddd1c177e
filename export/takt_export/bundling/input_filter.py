"""Another filter from the picture to the model's input than the training's, and its cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from takt.core.bundles.manifest import OF_FLOATS, Filter, InputType, Preprocess
from takt.core.domain import Depth, Orientation
from takt.core.engines.base import Engine
from takt.core.pictures.decode import divisor_of
from takt_export.bundling.measure import measure_resize
from takt_export.bundling.source import ModelSource, SourceFacts
from takt_export.errors import ExportError


def requested_preprocess(
    facts: SourceFacts,
    resize: Filter | None,
    input_type: InputType | None = None,
    *,
    reduced_decode: bool,
) -> Preprocess:
    """The preprocessing by which the service is to make the model's input.

    Args:
        facts: of the model.
        resize: filter instead of the training's.
        input_type: elements of the graph's input; the training's, if its filter stays and None.
        reduced_decode: whether JPEGs may be decoded at a part of their size.

    Raises:
        ExportError: the input is float32 and the filter leaves whole levels, or reduced decoding
            does not go with the filter, or with tiles.
    """
    trained = facts.preprocess
    resize = resize or trained.resize
    if input_type is None:
        input_type = trained.input if resize == trained.resize else "uint8"
    if input_type == "float32" and resize not in OF_FLOATS:
        raise ExportError(
            f"{resize} leaves whole levels, to which --input float32 adds nothing; leave it out"
        )
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
    changed = {"resize": resize, "input": input_type, "reduced_decode": reduced_decode}
    return trained.model_copy(update=changed)


def with_reading(
    facts: SourceFacts, orientation: Orientation | None, depth: Depth | None
) -> SourceFacts:
    """The facts with other choices for files that are turned or have 16 bits, and a note of them.

    Args:
        facts: of the model.
        orientation: instead of the training's.
        depth: instead of the training's.
    """
    trained = facts.preprocess
    wanted = {
        "orientation": orientation or trained.orientation,
        "depth": depth or trained.depth,
    }
    notes = [
        f"{name} of files is {value}, where the training's is {getattr(trained, name)}"
        for name, value in wanted.items()
        if value != getattr(trained, name)
    ]
    if not notes:
        return facts
    return replace(
        facts, preprocess=trained.model_copy(update=wanted), notes=(*facts.notes, *notes)
    )


def with_preprocess(
    source: ModelSource,
    facts: SourceFacts,
    preprocess: Preprocess,
    engine: Engine,
    pictures: Sequence[Path],
    *,
    quiet: bool,
    tell: Callable[[str], None],
) -> SourceFacts:
    """The facts with the service's preprocessing, and its cost if it is not the training's.

    Args:
        source: the model.
        facts: of the model, with the training's preprocessing.
        preprocess: the service's preprocessing.
        engine: runs the graph.
        pictures: the cost is measured on them; if only the decoding differs, on those that are
            decoded reduced.
        quiet: show no bar.
        tell: takes a warning of pictures that are decoded whole.

    Raises:
        ExportError: an answer is not finite, or no picture is decoded reduced though it is allowed.
        PicturesError: a picture cannot be read.
    """
    trained = facts.preprocess
    if preprocess == trained:
        return facts
    if preprocess.reduced_decode:
        reduced = _reduced(pictures, preprocess, tell)
        pictures = pictures if preprocess.resize != trained.resize else reduced
    other = replace(facts, preprocess=preprocess)
    cost = measure_resize(source, engine, pictures, other, trained, quiet=quiet)
    return replace(other, preprocess=preprocess.model_copy(update={"drift": cost}))


def _reduced(
    pictures: Sequence[Path], preprocess: Preprocess, tell: Callable[[str], None]
) -> Sequence[Path]:
    """The pictures that are decoded at a part of their size; at least one."""
    least = preprocess.least_side
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


def without_other_scores(
    facts: SourceFacts, trained: Preprocess, preprocess: Preprocess, tell: Callable[[str], None]
) -> SourceFacts:
    """The facts without out-of-fold scores, if pictures will reach the model in another way.

    Args:
        facts: of the model, as it will be served.
        trained: the preprocessing of the training.
        preprocess: the service's preprocessing.
        tell: takes a warning of it.
    """
    if facts.out_of_fold is None or (facts.tiling is None and preprocess == trained):
        return facts
    tell(
        "warning: the fit's own scores do not hold for tiles, nor for pictures that are resized, "
        "decoded or turned otherwise; the thresholds need good pictures that the fit has not seen"
    )
    return replace(facts, out_of_fold=None)
