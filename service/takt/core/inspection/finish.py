"""The end of the journey: an answer of the engine is judged and drawn."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.thresholds import DeployedThresholds
from takt.core.domain import FactVector, Heatmap, Image, InspectOptions, Verdict
from takt.core.inspection.inference import Inference, ms_since
from takt.core.pictures.facts import with_answer
from takt.core.pictures.good_facts import GoodFacts
from takt.core.pictures.heatmap import ColorScale, render
from takt.core.pictures.judgeable import FactLimits
from takt.core.pictures.postprocess import Criteria, judge, picture_score
from takt.core.pictures.prepare import whole_picture
from takt.core.pictures.roi import roi_drawing


class Judgement(NamedTuple):
    """The verdict on a picture, the heatmap if one is wanted, and the time that each took.

    Attributes:
        verdict: score, threshold and regions.
        heatmap: None where none is wanted.
        waited_ms: for a thread.
        postprocess_ms: for the verdict.
        render_ms: for the heatmap.
        facts: of the picture, where the bundle has those of good ones.
    """

    verdict: Verdict
    heatmap: Heatmap | None
    waited_ms: float
    postprocess_ms: float
    render_ms: float
    facts: FactVector | None


class Finisher:
    """Judges and draws the answers of one model; on any thread.

    Args:
        bundle: of the model.
        thresholds: in force where a request names none; read for each picture.
        max_regions: most regions of a verdict.
        max_pixels: most that a picture may have.
        good_facts: of the bundle's calibration; None where there are none.
    """

    def __init__(
        self,
        bundle: Bundle,
        thresholds: DeployedThresholds,
        max_regions: int,
        max_pixels: int,
        good_facts: GoodFacts | None = None,
    ) -> None:
        self._limits = None if good_facts is None else FactLimits.of(good_facts)
        self._manifest = bundle.manifest
        self._roi = roi_drawing(bundle)
        self._thresholds = thresholds
        self._good_scores: NDArray[np.float32] = np.sort(bundle.calibration.good_score)
        self._max_regions = max_regions
        self._max_pixels = max_pixels

    def finish(self, inference: Inference, ready_s: float) -> Judgement:
        """Judge an answer and draw its heatmap.

        Args:
            inference: the answer, and the picture.
            ready_s: since when it waited for a thread, on the performance counter.
        """
        waited_ms = ms_since(ready_s)
        started_s = time.perf_counter()
        options = inference.picture.options
        criteria = self._criteria(options)
        seen, answer = inference.seen, inference.done.result
        verdict = judge(
            picture_score(
                answer.score,
                answer.anomaly_map,
                self._manifest.score_from,
                seen.width,
                seen.height,
            ),
            answer.anomaly_map,
            seen.placed,
            criteria,
            self._good_scores,
            self._max_regions,
        )
        facts = seen.facts
        if facts is not None:
            facts = with_answer(facts, float(answer.anomaly_map.mean()), verdict.score)
            verdict = self._undecided(verdict, facts, options)
        postprocess_ms = ms_since(started_s)
        started_s = time.perf_counter()
        heatmap = None
        if options.heatmap != "none":
            heatmap = render(
                options.heatmap,
                options.format,
                self._beneath(inference),
                answer.anomaly_map,
                seen.placed.box,
                ColorScale(self._manifest.map.low, criteria.pixel_threshold),
                verdict.regions,
                self._roi if self._roi is None else self._roi.turned(seen.turn),
            )
        render_ms = ms_since(started_s)
        return Judgement(verdict, heatmap, waited_ms, postprocess_ms, render_ms, facts)

    def _undecided(self, verdict: Verdict, facts: FactVector, options: InspectOptions) -> Verdict:
        """The verdict, or none where the picture cannot be judged and the switch is on."""
        ours = self._thresholds.in_force.undecided
        if self._limits is None or not (ours if options.undecided is None else options.undecided):
            return verdict
        reason = self._limits.reason(facts)
        return verdict if reason is None else replace(verdict, anomalous=True, undecided=reason)

    def _beneath(self, inference: Inference) -> Image:
        """The picture to draw on, or any of its size where it does not show."""
        picture, seen = inference.picture, inference.seen
        if seen.whole is not None:
            return seen.whole
        if picture.options.heatmap == "overlay":
            spec, header = self._manifest.preprocess, picture.weight.header
            return whole_picture(picture.data, spec, self._max_pixels, header)
        return np.empty((seen.height, seen.width, 3), np.uint8)

    def _criteria(self, options: InspectOptions) -> Criteria:
        """The request's own thresholds, or else those in force."""
        ours = self._thresholds.in_force
        pixel = ours.pixel if options.pixel_threshold is None else options.pixel_threshold
        roi = self._manifest.roi
        return Criteria(
            threshold=ours.image if options.threshold is None else options.threshold,
            # However low a threshold is: the outside of the region of interest never counts.
            pixel_threshold=pixel if roi is None else max(pixel, roi.outside),
        )
