"""An ONNX graph that somebody else exported, on its way to a bundle."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.bundling.graph import GraphFacts
from export.bundling.roi import PlacedRoi, place
from export.bundling.source import SourceFacts
from export.errors import ExportError
from export.imported.feed import FeedRule
from export.imported.file import read_graph, stored_floats
from export.imported.graph import reveal, wrap
from export.imported.nodes import Nodes
from export.imported.probe import check_answers, check_window, most_at_once
from export.imported.roles import Outputs, before_cut, find_input, find_outputs
from export.imported.rule import InputOptions, find_rule, preprocess_of
from export.imported.session import Original, open_session
from export.imported.thresholds import find_thresholds, read_metadata
from export.imported.view import PictureView
from export.pictures import read_model_input
from models.checkpoints import picture_digest
from service.bundles.bundle import Golden
from service.bundles.manifest import Preprocess
from service.pictures.roi import RoiShape

Tell = Callable[[str], None]

ANOMALIB = frozenset({"anomaly_map", "pred_label", "pred_mask", "pred_score"})
"""The outputs of a graph that anomalib 2 exports."""

ROI_SCORE = (
    "region of interest: the score is the map's maximum within it; the graph's own score, of the "
    "whole picture, is not used"
)


@dataclass(frozen=True)
class ImportOptions:
    """How a graph is imported.

    Attributes:
        pictures: how they get into the graph.
        map_output: the name of the map's output, or `none`; looked for if None.
        score_output: likewise.
        family: of the model.
        variant: of the family; the file's name if None.
        allowed_drift: largest difference of an answer in a batch from that to the picture alone.
        before_cut: take the answers before the graph cuts them off.
        threads: of ONNX Runtime; 0 takes every core.
        roi: what counts of a picture; all if None.
    """

    pictures: InputOptions = field(default_factory=InputOptions)
    map_output: str | None = None
    score_output: str | None = None
    family: str = "imported"
    variant: str | None = None
    allowed_drift: float = 1e-4
    before_cut: bool = False
    threads: int = 0
    roi: RoiShape | None = None


class OnnxSource:
    """A graph whose input and outputs are known; see `open_source`.

    Attributes:
        facts: what the bundle will say of it.
    """

    def __init__(
        self, original: _Reading, graph: bytes, weights: tuple[int, int], facts: SourceFacts
    ) -> None:
        self._original = original
        self._graph = graph
        self._weights = weights
        self.facts = facts

    def write_graph(self, path: Path) -> GraphFacts:
        """Write the graph with a bundle's input and outputs, as one file."""
        path.write_bytes(self._graph)
        return GraphFacts(len(self._graph), *self._weights)

    def answer(self, images: NDArray[np.uint8]) -> Golden:
        """What the graph as it came answers to model inputs, uint8 [N,h,w,3], one at a time."""
        return self._original.answer(images)


@dataclass(frozen=True)
class _Reading:
    """The original, and how its input and outputs are read."""

    graph: Original
    rule: FeedRule
    outputs: Outputs
    roi: PlacedRoi | None = None

    def answer(self, images: NDArray[np.uint8]) -> Golden:
        """Map and score of model inputs, each on its own."""
        maps, scores = zip(*map(self._answer, images), strict=True)
        return Golden(images, np.stack(maps), np.array(scores, np.float32))

    def _answer(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], np.float32]:
        answers = self.graph.run(self.rule, image, self.outputs.names)
        map_name, score_name = self.outputs.anomaly_map, self.outputs.score
        shown = answers[map_name or self.outputs.names[0]].astype(np.float32)
        anomaly_map = shown.reshape(self.outputs.map_size)
        if self.roi is not None:
            inside, outside = self.roi.inside, np.float32(self.roi.outside)
            return np.where(inside, anomaly_map, outside), anomaly_map[inside].max()
        score = anomaly_map if score_name is None else answers[score_name].astype(np.float32)
        return anomaly_map, score.max()


def open_source(
    path: Path,
    pictures: Sequence[Path],
    options: ImportOptions,
    *,
    seen: Sequence[Path] = (),
    tell: Tell,
) -> OnnxSource:
    """Find out what a graph takes and answers, and bring it into the form of a bundle's.

    Args:
        path: the ONNX file.
        pictures: of good parts, at least one; the first two are tried.
        options: what is known of the graph.
        seen: pictures that the training looked at.
        tell: takes lines about what was found.

    Raises:
        ExportError: it is no such graph, or something must be said of it; says what.
        PicturesError: a picture cannot be read.
    """
    model = read_graph(path)
    original = Original(open_session(path, path, options.threads), path)
    nodes = Nodes(model)
    port = find_input(model, path, options.pictures.layout)
    rule = find_rule(path, port, PictureView(nodes, port), options.pictures, tell)
    spec = preprocess_of(rule, options.pictures)
    images = _probes(pictures, spec)
    names = original.output_names
    outputs = find_outputs(
        [original.run(rule, image, names) for image in images],
        path,
        options.map_output,
        options.score_output,
    )
    tell(_found(rule, outputs))
    check_window(original, rule, images[0], path)
    beside = read_metadata(path)
    thresholds = find_thresholds(nodes, names, outputs) or beside
    uncut = _uncut(nodes, outputs, path, options, tell)
    if uncut != outputs:
        outputs, revealed = uncut, reveal(model, uncut.names)
        session = open_session(revealed.SerializeToString(), path, options.threads)
        original = Original(session, path)
    reading = _Reading(original, rule, outputs)
    answers = reading.answer(images)
    check_answers(answers, path, tell)
    placed = None
    if options.roi is not None:
        placed = _place(options.roi, spec, outputs, answers, path)
        reading = replace(reading, roi=placed)
    wrapped = wrap(model, rule, outputs, placed)
    graph: bytes = wrapped.SerializeToString()
    session = open_session(graph, path, options.threads)
    facts = SourceFacts(
        family=options.family,
        variant=options.variant or plain_name(path.stem),
        framework="anomalib" if beside or set(names) >= ANOMALIB else model.producer_name or "onnx",
        preprocess=spec,
        map_width=outputs.map_size[1],
        map_height=outputs.map_size[0],
        reference="onnx",
        max_batch_size=most_at_once(session, images, port.batch, options.allowed_drift, path, tell),
        # The training's thresholds belong to the whole map, and perhaps to another score.
        trained_thresholds=None if placed else thresholds,
        roi=placed,
        notes=() if placed is None or outputs.score is None else (ROI_SCORE,),
        seen=tuple(dict.fromkeys(map(picture_digest, seen))),
        made_with={model.producer_name: model.producer_version} if model.producer_version else {},
    )
    return OnnxSource(reading, graph, stored_floats(wrapped), facts)


def _place(
    shape: RoiShape, spec: Preprocess, outputs: Outputs, answers: Golden, path: Path
) -> PlacedRoi:
    """The region of interest on the graph's map.

    Nobody knows how low that can go: outside, it takes the lowest value of the pictures at hand.
    """
    if outputs.anomaly_map is None:
        raise ExportError(f"{path} has no map of which a part could count; leave --roi out")
    return place(shape, spec, outputs.map_size, float(answers.anomaly_map.min()))


def plain_name(text: str) -> str:
    """A name of letters, digits, '.', '_' and '-'."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-") or "onnx"


def _uncut(
    nodes: Nodes, outputs: Outputs, path: Path, options: ImportOptions, tell: Tell
) -> Outputs:
    """The outputs to take: as they are, or from before the graph cuts them off."""
    uncut = before_cut(nodes, outputs)
    if options.before_cut:
        if uncut == outputs:
            raise ExportError(f"{path} cuts no answer off; leave --before-cut out")
        return uncut
    if uncut != outputs:
        tell(
            "the graph cuts its answers off at limits, beyond which nothing is told apart; "
            "--before-cut takes them as they are before that"
        )
    return outputs


def _probes(pictures: Sequence[Path], spec: Preprocess) -> NDArray[np.uint8]:
    """Three different model inputs: two pictures, or one and its mirror image, and a negative."""
    images = [read_model_input(picture, spec) for picture in pictures[:2]]
    if len(images) == 1:
        images.append(images[0][:, ::-1])
    return np.stack([*images, 255 - images[0]])


def _found(rule: FeedRule, outputs: Outputs) -> str:
    """One line on what was found, for people to check."""
    port = rule.port
    order = "grey, weighted as Pillow's L" if port.channels == 1 else "BGR" if rule.bgr else "RGB"
    height, width = outputs.map_size
    if outputs.anomaly_map is None:
        answer = f"no map, so a map of one cell holds the score {outputs.score}"
    elif outputs.score is None:
        answer = f"map {outputs.anomaly_map} of {width}x{height}, whose maximum is the score"
    else:
        answer = f"map {outputs.anomaly_map} of {width}x{height}, score {outputs.score}"
    return (
        f"input {port.name}: {rule.width}x{rule.height}, {port.layout.upper()}, {port.dtype}, "
        f"{order}; {answer}"
    )
