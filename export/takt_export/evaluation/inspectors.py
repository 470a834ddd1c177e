"""Inspectors of an evaluation's pictures; this one runs the bundle in this process."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol, Self, cast

import cv2
import numpy as np

from takt.core.bundles.bundle import Bundle
from takt.core.domain import AnomalyMap, Batch
from takt.core.engines.base import EngineOutput
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.engines.opener import engine_opener
from takt.core.engines.options import REFERENCE, EngineOptions
from takt.core.inspection.offline import facts_offline, inspect_offline
from takt.core.pictures.good_facts import GoodFacts
from takt.core.pictures.judgeable import FactLimits
from takt.core.pictures.placement import Placement
from takt.core.pictures.postprocess import Criteria, judge, picture_score
from takt_export.errors import InspectorError
from takt_export.pictures import MAX_PIXELS

MAX_REGIONS = 64


@dataclass(frozen=True)
class InspectedPicture:
    """Verdict on one picture, with its anomaly map.

    Attributes:
        score: score of the picture.
        threshold: deployed threshold of scores.
        anomalous: verdict.
        anomaly_map: float32 [h, w].
        width: width of the upright picture in pixels.
        height: height of the upright picture in pixels.
        placed: place of the map on the picture.
        total_ms: time that the inspector measured.
        wall_ms: time that the caller measured, without waits for a retry.
    """

    score: float
    threshold: float
    anomalous: bool
    anomaly_map: AnomalyMap
    width: int
    height: int
    placed: Placement
    total_ms: float
    wall_ms: float


class Inspector(Protocol):
    """Inspection of encoded pictures, one at a time."""

    def inspect(self, data: bytes) -> InspectedPicture:
        """Inspect an encoded picture.

        Raises:
            TaktError: the picture was refused, or no server answers.
        """


class LocalInspector:
    """Inspector that runs a bundle in this process with the code of the service.

    Args:
        bundle: bundle of the model.
        threads: threads of the engine; 0 takes every core.
        criteria: thresholds to apply; None takes the bundle's own.
        engine: value of the setting `engine`.
        undecided: whether a picture that cannot be judged is anomalous, as it gets no decision.

    Raises:
        ConfigurationError: this host or the bundle has no such engine.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 0,
        criteria: Criteria | None = None,
        engine: str = REFERENCE,
        undecided: bool = False,
    ) -> None:
        self._good_facts = GoodFacts.of(bundle.calibration) if undecided else None
        known = self._good_facts
        self._limits = None if known is None else FactLimits.of(known)
        self._manifest = bundle.manifest
        self._good_scores = np.sort(bundle.calibration.good_score)
        wanted = criteria or Criteria(
            threshold=self._manifest.thresholds.image,
            pixel_threshold=self._manifest.thresholds.pixel,
        )
        roi = self._manifest.roi
        # As the service has it: the outside of the region of interest never counts.
        outside = -math.inf if roi is None else roi.outside
        self._criteria = replace(wanted, pixel_threshold=max(wanted.pixel_threshold, outside))
        options = EngineOptions(engine=engine, engine_instances=1, engine_threads=threads)
        self._engine = engine_opener(options)(bundle).engine

    def __enter__(self) -> Self:
        """The inspector; the end of the block closes its engine."""
        return self

    def __exit__(self, *error: object) -> None:
        self._engine.close()

    def inspect(self, data: bytes) -> InspectedPicture:
        """Decode, preprocess, infer and judge a picture."""
        started_s = time.perf_counter()
        inspected = inspect_offline(self._engine, data, self._manifest, MAX_PIXELS)
        width, height, anomaly_map = inspected.width, inspected.height, inspected.answer.anomaly_map
        verdict = judge(
            picture_score(
                inspected.answer.score, anomaly_map, self._manifest.score_from, width, height
            ),
            anomaly_map,
            inspected.placed,
            self._criteria,
            self._good_scores,
            MAX_REGIONS,
        )
        anomalous = verdict.anomalous or self._is_undecided(data)
        took_ms = (time.perf_counter() - started_s) * 1000
        return InspectedPicture(
            score=verdict.score,
            threshold=verdict.threshold,
            anomalous=anomalous,
            anomaly_map=anomaly_map,
            width=width,
            height=height,
            placed=inspected.placed,
            total_ms=took_ms,
            wall_ms=took_ms,
        )

    def _is_undecided(self, data: bytes) -> bool:
        """Whether a picture cannot be judged, where such ones get no decision."""
        if self._good_facts is None or self._limits is None:
            return False
        facts = facts_offline(data, self._manifest, MAX_PIXELS).beside(self._good_facts.look)
        return self._limits.reason(facts) is not None


def check_same_model(inspector: Inspector, bundle: Bundle) -> None:
    """Compare an inspector's score of the bundle's first golden input with the golden score.

    A graph of float32 takes levels that no picture has: its own score of whole ones is compared.

    Raises:
        InspectorError: the inspector runs another model, or no server answers.
    """
    golden, manifest = bundle.golden, bundle.manifest
    height, width = manifest.preprocess.input_size
    tiling = manifest.tiling
    if manifest.preprocess.crop is not None or (
        tiling is not None and (width > tiling.width or height > tiling.height)
    ):
        return  # no picture reaches the model as it is then
    image, answer = golden.images[:1], EngineOutput(golden.anomaly_map[:1], golden.score[:1])
    if manifest.preprocess.input == "float32":
        image = cast(Batch, image.round().clip(0, 255))
        with closing(OnnxRuntimeEngine.open(bundle.model_path)) as engine:
            answer = engine.infer(image)
    encoded, png = cv2.imencode(".png", image[0, ..., ::-1].astype(np.uint8))
    assert encoded
    expected = picture_score(
        float(answer.score[0]), answer.anomaly_map[0], manifest.score_from, width, height
    )
    score = inspector.inspect(png.tobytes()).score
    allowed = max(manifest.tolerance, *(one.bounds.score for one in manifest.variants), 0.0)
    if not abs(score - expected) <= allowed:
        raise InspectorError(
            f"the server has another model under this name and version: it scores a golden input "
            f"{score:.6g} instead of {expected:.6g}; serve the repository that holds "
            f"{bundle.path}"
        )
