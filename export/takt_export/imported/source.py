"""An ONNX graph that another tool exported, as the source of a bundle."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from onnx import ModelProto

from takt.core.bundles.bundle import Golden
from takt.core.bundles.manifest import InputType, Preprocess
from takt.core.domain import Batch, ModelInput
from takt.core.pictures.roi import RoiShape
from takt_export.bundling.graph import GraphFacts
from takt_export.bundling.roi import PlacedRoi, place
from takt_export.bundling.source import SourceFacts, fit_on
from takt_export.errors import ExportError
from takt_export.imported.built_in import BuiltInPreprocessing
from takt_export.imported.checks import (
    answers_alone,
    check_answers,
    check_shapes,
    check_window,
    largest_batch,
    told_at_once,
)
from takt_export.imported.input_transform import InputTransform
from takt_export.imported.nodes import GraphNodes
from takt_export.imported.onnx_file import read_graph, stored_floats
from takt_export.imported.original import OriginalGraph, open_session
from takt_export.imported.preprocessing import InputOptions, Tell, find_transform, preprocess_of
from takt_export.imported.signature import (
    NONE,
    GraphOutputs,
    before_cut,
    find_input,
    find_outputs,
)
from takt_export.imported.thresholds import find_thresholds, read_metadata
from takt_export.imported.wrapper import reveal, wrap
from takt_export.pictures import read_model_input
from takt_models.checkpoints.picture_digest import picture_digest

ANOMALIB = frozenset({"pred_label", "pred_score"})
"""Outputs of every graph that anomalib 2 exports; most have a map and a mask too."""

ROI_SCORE = (
    "region of interest: the score is the map's maximum within it; the graph's own score, of the "
    "whole picture, is not used"
)


@dataclass(frozen=True)
class ImportOptions:
    """Options of an import.

    Attributes:
        pictures: facts on the graph's input.
        map_output: name of the map's output, or `none`; None finds it.
        score_output: name of the score's output, or `none`; None finds it.
        family: family of the model.
        variant: variant of the family; None takes the file's name.
        allowed_drift: largest difference between answers in a batch and alone.
        before_cut: take the answers before the graph clips them.
        threads: threads of ONNX Runtime; 0 takes every core.
        roi: region of interest; None for the whole picture.
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


@dataclass
class OnnxSource:
    """Source of a bundle from a foreign graph; `open_source` makes one.

    Attributes:
        facts: facts for the bundle's manifest.
        original: the graph as it came.
        outputs: outputs that become those of the bundle.
        roi: region of interest on the map; None for all of it.
        wrapped: the graph of a bundle whose input has this type.
    """

    facts: SourceFacts
    original: OriginalGraph
    outputs: GraphOutputs
    roi: PlacedRoi | None
    wrapped: Callable[[InputType], ModelProto]

    def write_graph(self, path: Path, input_type: InputType) -> GraphFacts:
        """Write the wrapped graph as one file.

        Raises:
            ExportError: the graph takes whole levels, and this type has others.
        """
        if input_type == "float32" and not self.original.transform.takes_floats:
            raise ExportError(
                "the graph takes grey pictures or 8 bits, to which --input float32 adds nothing; "
                "leave it out"
            )
        wrapped = self.wrapped(input_type)
        path.write_bytes(wrapped.SerializeToString())
        return GraphFacts(path.stat().st_size, *stored_floats(wrapped))

    def answer(self, images: Batch) -> Golden:
        """Answers of the original graph to model inputs, [N,h,w,3], one at a time."""
        return self.original.answer(images, self.outputs, self.roi)


def open_source(
    path: Path,
    pictures: Sequence[Path],
    options: ImportOptions,
    *,
    seen: Sequence[Path] = (),
    tell: Tell,
) -> OnnxSource:
    """Find the input and the outputs of a foreign graph and wrap it for a bundle.

    Args:
        path: the ONNX file.
        pictures: pictures of good parts, at least one; the first two are run.
        options: facts from the graph's owner.
        seen: pictures that the training used.
        tell: takes lines about the findings.

    Raises:
        ExportError: the graph is unsuitable, or a fact is missing; names it.
        PicturesError: a picture cannot be read.
    """
    model = read_graph(path)
    session = open_session(path, path, options.threads)
    nodes = GraphNodes(model)
    port = find_input(model, path, options.pictures.layout)
    built_in = BuiltInPreprocessing(nodes, port)
    anomalib = {port.name for port in model.graph.output} >= ANOMALIB
    transform = find_transform(path, port, built_in, options.pictures, tell, anomalib=anomalib)
    if port.height is None and port.width is None and built_in.reshapes_first():
        check_shapes(pictures, transform.width, transform.height, path)
    spec = preprocess_of(transform, options.pictures, cubic=built_in.resizes_by_cubics())
    if spec.resize == "tensor_bicubic" and options.pictures.resize is None:
        tell("the graph resizes its pictures by cubics, so they are resized by tensor_bicubic")
    images = _probes(pictures, spec)
    original = OriginalGraph(session, path, transform)
    names = original.output_names
    outputs = find_outputs(
        [original.run(image, names) for image in images],
        path,
        options.map_output,
        options.score_output,
    )
    tell(_found(transform, outputs))
    check_window(original, images[0], path)
    beside = read_metadata(path)
    thresholds = find_thresholds(nodes, names, outputs)
    if outputs.anomaly_map is not None and options.score_output != NONE:
        # Else the score is not the training's, or a map of one cell stands for the training's.
        thresholds = thresholds or beside
    uncut = _uncut(nodes, outputs, path, options, tell)
    if uncut != outputs:
        outputs, revealed = uncut, reveal(model, uncut.names)
        session = open_session(revealed.SerializeToString(), path, options.threads)
        original = OriginalGraph(session, path, transform)
    answers = original.answer(images, outputs)
    check_answers(answers, path, tell, cut=before_cut(nodes, outputs) != outputs)
    placed = None
    if options.roi is not None:
        placed = _place(options.roi, spec, outputs, answers, path)
    wrapped, at_once = partial(wrap, model, transform, outputs, placed), 1
    graph = wrapped(spec.input).SerializeToString()
    session = open_session(graph, path, options.threads)
    if port.batch and port.batch > 1:
        wanted = original.answer(images, outputs, placed)
        if not answers_alone(session, wanted, options.allowed_drift):
            tell(told_at_once(port))
            at_once = port.batch
            wrapped = partial(wrapped, at_once=at_once)
            graph = wrapped(spec.input).SerializeToString()
            session = open_session(graph, path, options.threads)
    facts = SourceFacts(
        family=options.family,
        variant=options.variant or plain_name(path.stem),
        framework="anomalib" if beside or anomalib else model.producer_name or "onnx",
        preprocess=spec,
        map_size=outputs.map_size,
        reference="onnx",
        max_batch_size=largest_batch(session, images, at_once, options.allowed_drift, path, tell),
        padded_batch=at_once > 1,
        # The training's thresholds belong to the whole map, and perhaps to another score.
        trained_thresholds=None if placed else thresholds,
        roi=placed,
        notes=() if placed is None or outputs.score is None else (ROI_SCORE,),
        seen=tuple(dict.fromkeys(map(picture_digest, seen))),
        fit=fit_on(seen),
        made_with={model.producer_name: model.producer_version} if model.producer_version else {},
    )
    return OnnxSource(facts, original, outputs, placed, wrapped)


def _place(
    shape: RoiShape, spec: Preprocess, outputs: GraphOutputs, answers: Golden, path: Path
) -> PlacedRoi:
    """Region of interest on the graph's map.

    The lowest possible value is unknown, so the outside takes the lowest of the given pictures.
    """
    if outputs.anomaly_map is None:
        raise ExportError(f"{path} has no map of which a part could count; leave --roi out")
    return place(shape, spec, outputs.map_size, float(answers.anomaly_map.min()))


def plain_name(text: str) -> str:
    """Name of letters, digits, '.', '_' and '-'."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-") or "onnx"


def _uncut(
    nodes: GraphNodes, outputs: GraphOutputs, path: Path, options: ImportOptions, tell: Tell
) -> GraphOutputs:
    """Outputs as they are, or before the graph clips them."""
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


def _probes(pictures: Sequence[Path], spec: Preprocess) -> Batch:
    """Three different model inputs: two pictures, or one and its mirror image, and a negative."""
    images = [read_model_input(picture, spec) for picture in pictures[:2]]
    if len(images) == 1:
        images.append(cast(ModelInput, images[0][:, ::-1]))
    return cast(Batch, np.stack([*images, 255 - images[0]]))


def _found(transform: InputTransform, outputs: GraphOutputs) -> str:
    """Line on the input and the outputs, for users to check."""
    port = transform.port
    order = (
        "grey, weighted as Pillow's L" if port.channels == 1 else "BGR" if transform.bgr else "RGB"
    )
    height, width = outputs.map_size
    if outputs.anomaly_map is None:
        answer = f"no map, so a map of one cell holds the score {outputs.score}"
    elif outputs.score is None:
        answer = f"map {outputs.anomaly_map} of {width}x{height}, whose maximum is the score"
    else:
        answer = f"map {outputs.anomaly_map} of {width}x{height}, score {outputs.score}"
    return (
        f"input {port.name}: {transform.width}x{transform.height}, {port.layout.upper()}, "
        f"{port.dtype}, {order}; {answer}"
    )
