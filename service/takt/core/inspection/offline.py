"""A picture through an engine on the calling thread, as offline commands measure what serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from takt.core.bundles.manifest import Preprocess
from takt.core.bundles.tiling import Tiling
from takt.core.domain import ModelInput, ModelOutput
from takt.core.engines.base import Engine
from takt.core.pictures.facts import PictureFacts, facts_of_large, picture_facts
from takt.core.pictures.placement import Placement, placement
from takt.core.pictures.prepare import Picture, prepare, read_for_model
from takt.core.pictures.preprocess import preprocess
from takt.core.pictures.tiles import Stitcher, tile_grid
from takt.core.pictures.turning import Turn


class View(Protocol):
    """How a model sees pictures; a bundle's manifest says it."""

    @property
    def preprocess(self) -> Preprocess:
        """How a picture, or a tile of it, becomes the model's input."""

    @property
    def tiling(self) -> Tiling | None:
        """Its tiles; it sees the picture as a whole if None."""

    @property
    def map_size(self) -> tuple[int, int]:
        """(h, w) of the map that the graph gives of a picture or of a tile."""


@dataclass(frozen=True, slots=True)
class OfflineInspection:
    """A picture's answer, and how it lies on the picture.

    Attributes:
        answer: the map of all that the model sees of the picture, and the graph's score.
        width: of the picture, upright, in pixels.
        height: of the picture, upright, in pixels.
        placed: how the map lies on the picture.
    """

    answer: ModelOutput
    width: int
    height: int
    placed: Placement


def inspect_offline(
    engine: Engine, data: Picture, view: View, max_pixels: int
) -> OfflineInspection:
    """Run one picture, or its tiles one after another.

    >>> from pathlib import Path
    >>> from takt.core.bundles.bundle import load_bundle
    >>> from takt.core.domain import RawPicture
    >>> from takt.core.engines.fake import FakeEngine
    >>> manifest = load_bundle(Path("examples/models/pitting/1")).manifest
    >>> grey = RawPicture(bytes([51]) * 64 * 48, width=64, height=48, format="mono8")
    >>> inspected = inspect_offline(FakeEngine(), grey, manifest, max_pixels=10_000)
    >>> round(inspected.answer.score, 3)
    0.2

    Args:
        engine: runs the graph.
        data: a whole file, or pixels.
        view: how the model sees a picture.
        max_pixels: most that the picture may have.

    Raises:
        RequestError: the picture is at fault.
        EngineError: the engine failed.
    """
    if view.tiling is None:
        seen, model_input = prepare(data, view.preprocess, max_pixels)
        answer = _upright(_answer(engine, model_input), seen.turn)
        return OfflineInspection(answer, seen.width, seen.height, seen.placed)
    decoded = read_for_model(data, view.preprocess, max_pixels)
    picture, turn = decoded.picture, decoded.turn
    height, width, _ = picture.shape
    planned = tile_grid(view.tiling, width, height, view.map_size)
    stitcher = Stitcher(planned)
    for tile in planned:
        stitcher.add(tile, _answer(engine, preprocess(tile.of(picture), view.preprocess)))
    return OfflineInspection(
        _upright(stitcher.answer(), turn),
        decoded.width,
        decoded.height,
        placement(view.preprocess, decoded.width, decoded.height, turn),
    )


def facts_offline(data: Picture, view: View, max_pixels: int) -> PictureFacts:
    """The facts of a picture, as the service finds them at the line.

    Raises:
        RequestError: the picture is at fault.
    """
    if view.tiling is not None:
        return facts_of_large(read_for_model(data, view.preprocess, max_pixels).picture)
    seen, model_input = prepare(data, view.preprocess, max_pixels)
    return picture_facts(model_input, seen.width, seen.height)


def _upright(answer: ModelOutput, turn: Turn) -> ModelOutput:
    """The answer with its map as a person sees the picture."""
    return answer._replace(anomaly_map=turn.array(answer.anomaly_map))


def _answer(engine: Engine, model_input: ModelInput) -> ModelOutput:
    output = engine.infer(model_input[np.newaxis])
    return ModelOutput(output.anomaly_map[0], float(output.score[0]))
