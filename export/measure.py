"""What a graph answers to real pictures: its drift from torch, its scores on good and bad ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from export.graph import ExportError, ImagesToAnswer
from export.pictures import read_model_input
from service.bundle import Drift, Golden, Preprocess
from service.engines.base import Engine

MAP_STEP = 4
"""The median of the maps is taken of every fourth row and column, which bounds the memory."""


@dataclass(frozen=True)
class Measured:
    """Answers to n pictures.

    Attributes:
        score: float32 [n].
        peak: the highest value of each map, float32 [n].
        map_median: of all map values together, 0 without pictures.
    """

    score: NDArray[np.float32]
    peak: NDArray[np.float32]
    map_median: float


def measure(
    engine: Engine, pictures: Sequence[Path], spec: Preprocess, what: str, *, quiet: bool
) -> Measured:
    """Scores and maps of pictures, one at a time, from the engine that serves.

    Args:
        engine: runs the graph.
        pictures: files.
        spec: how they become the graph's input.
        what: names them beside the progress bar.
        quiet: show no bar.

    Raises:
        ExportError: an answer is not finite.
        PicturesError: a picture cannot be read.
    """
    scores, peaks, values = [], [], []
    for path in tqdm(pictures, desc=what, unit="picture", disable=quiet or not pictures or None):
        answer = engine.infer(read_model_input(path, spec)[None])
        _check_finite(path, answer.score, answer.anomaly_map)
        scores.append(answer.score[0])
        peaks.append(answer.anomaly_map.max())
        values.append(answer.anomaly_map[0, ::MAP_STEP, ::MAP_STEP].copy())
    return Measured(
        score=np.array(scores, np.float32),
        peak=np.array(peaks, np.float32),
        map_median=float(np.median(values)) if values else 0.0,
    )


def measure_drift(
    reference: ImagesToAnswer,
    engine: Engine,
    pictures: Sequence[Path],
    spec: Preprocess,
    *,
    quiet: bool,
) -> Drift:
    """The largest absolute differences between torch and an engine, picture by picture.

    Raises:
        ExportError: an answer is not finite.
        PicturesError: a picture cannot be read.
    """
    of_score, of_map = 0.0, 0.0
    for path in tqdm(
        pictures, desc="torch against the graph", unit="picture", disable=quiet or None
    ):
        images = read_model_input(path, spec)[None]
        expected = answer_of_torch(reference, images)
        found = engine.infer(images)
        _check_finite(path, expected.score, expected.anomaly_map, found.score, found.anomaly_map)
        of_score = max(of_score, float(np.abs(found.score - expected.score).max()))
        of_map = max(of_map, float(np.abs(found.anomaly_map - expected.anomaly_map).max()))
    return Drift(pictures=len(pictures), score=of_score, anomaly_map=of_map)


def check_drift(drift: Drift, allowed: float) -> None:
    """Refuse a graph that answers unlike torch.

    Raises:
        ExportError: score or map differ by more than is allowed.
    """
    if max(drift.score, drift.anomaly_map) > allowed:
        raise ExportError(
            f"the graph answers unlike torch: the score differs by up to {drift.score:.2g}, the "
            f"map by {drift.anomaly_map:.2g}, and {allowed:.2g} is allowed; if that is little "
            "beside the scores, allow more with --allow-drift"
        )


def answer_of_torch(reference: ImagesToAnswer, images: NDArray[np.uint8]) -> Golden:
    """What torch answers to model inputs, uint8 [N,H,W,3]."""
    with torch.inference_mode():
        anomaly_map, score = reference(torch.from_numpy(images))
    return Golden(images, anomaly_map.numpy(), score.numpy())


def _check_finite(path: Path, *answers: NDArray[np.float32]) -> None:
    if not all(np.isfinite(answer).all() for answer in answers):
        raise ExportError(f"the model's answer to {path} is not finite; fit it again")
