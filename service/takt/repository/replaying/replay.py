"""One recorded inspection asked again: its picture goes through the pipeline, answers compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

from takt.core.domain import Inspection, InspectOptions, Region, Source, Verdict
from takt.core.errors import ConflictError
from takt.core.inspection.pipeline import Pipeline
from takt.core.pictures.prepare import Picture
from takt.recording.search.stored import StoredInspection
from takt.repository.model_version import Loaded, ModelVersion
from takt.repository.replaying.regions import largest_difference, lie_between, same_places
from takt.repository.replaying.tolerance import Tolerance, tolerance_of


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded inspection and the answer of now.

    Attributes:
        stored: the recorded inspection.
        source: what has answered now.
        verdict: the answer of now, at the recorded thresholds.
        tolerance: how far the two may differ.
        same_regions: whether the regions are the same within the tolerance.
    """

    stored: StoredInspection
    source: Source
    verdict: Verdict
    tolerance: Tolerance
    same_regions: bool

    @property
    def score_difference(self) -> float:
        """The score of now less the recorded one."""
        return self.verdict.score - self.stored.score

    @property
    def peak_difference(self) -> float | None:
        """The largest difference of the peaks of regions that lie the same; None without any."""
        return largest_difference(self.stored.regions, self.verdict.regions)

    @property
    def same_score(self) -> bool:
        """Whether the score is the same within the tolerance."""
        return abs(self.score_difference) <= self.tolerance.score

    @property
    def same_verdict(self) -> bool:
        """Whether the verdict is the same, however close the score is to the threshold."""
        now, then = self.verdict, self.stored
        return (now.anomalous, now.name) == (then.anomalous, then.verdict)

    @property
    def reproduced(self) -> bool:
        """Whether all of the answer is the same within the tolerance."""
        return self.same_score and self.same_verdict and self.same_regions


def same_bundle(version: ModelVersion, stored: StoredInspection) -> Loaded:
    """The parts of a version that is ready, if it is the bundle that answered then.

    Raises:
        ConflictError: it is another bundle.
        NotReadyError: it is not ready.
    """
    loaded = version.check_ready()
    check_digest(loaded.bundle.digest, stored)
    return loaded


def check_digest(digest: str, stored: StoredInspection) -> None:
    """Refuse a bundle of the same name and version that is not the one that answered then.

    Raises:
        ConflictError: it is another bundle, or nobody knows which one answered.
    """
    what = f"inspection {stored.id} was answered by {stored.model}, version {stored.version}"
    if not stored.digest:
        raise ConflictError(
            f"{what}, of which the record has no digest: it cannot be told whether "
            "a bundle is the same"
        )
    if digest != stored.digest:
        raise ConflictError(
            f"{what}, bundle {stored.digest[:12]}; what has this name now is bundle {digest[:12]}, "
            "exported or calibrated again; put the former bundle back"
        )


def options_of(stored: StoredInspection, timeout_s: float, caller: str = "") -> InspectOptions:
    """The options that ask for a recorded answer again: its thresholds, behind the line's pictures.

    Args:
        stored: the recorded inspection.
        timeout_s: seconds after which nobody wants the answer any more.
        caller: whose share of the queue it takes.
    """
    return InspectOptions(
        threshold=stored.threshold,
        pixel_threshold=stored.pixel_threshold,
        # A picture that was judged then is judged now, whatever the switch says by now.
        undecided=stored.undecided is not None,
        timeout_s=timeout_s,
        priority="bulk",
        caller=caller,
    )


async def replay(
    stored: StoredInspection,
    picture: Picture,
    version: ModelVersion,
    options: InspectOptions,
    max_regions: int,
) -> Replay:
    """Inspect a kept picture again and compare the answers.

    There is no recorded map. What is compared of it is the score and the regions: their boxes,
    areas and peaks.

    Args:
        stored: the recorded inspection.
        picture: that was kept of it.
        version: that answers, once it is ready.
        options: of `options_of`.
        max_regions: most regions of an answer.

    Raises:
        ConflictError: the version is another bundle than the one that answered.
        NotReadyError: the version is not ready.
        RequestError, QueueFullError, DeadlineExceededError, EngineError: as inspecting.
    """
    loaded = same_bundle(version, stored)
    inspection = await inspect_again(loaded.pipeline, picture, options)
    verdict = inspection.verdict
    tolerance = tolerance_of(stored, inspection.source, verdict, loaded.bundle)
    same = same_places(stored.regions, verdict.regions)
    if same:
        difference = largest_difference(stored.regions, verdict.regions)
        same = difference is None or difference <= tolerance.peak
    else:
        low, high = [
            await _regions_at(loaded.pipeline, picture, options, verdict.pixel_threshold + moved)
            for moved in (-tolerance.peak, tolerance.peak)
        ]
        same = lie_between(stored.regions, low, high, tolerance.peak, max_regions)
    return Replay(stored, inspection.source, verdict, tolerance, same)


async def _regions_at(
    pipeline: Pipeline, picture: Picture, options: InspectOptions, pixel_threshold: float
) -> tuple[Region, ...]:
    moved = replace(options, pixel_threshold=pixel_threshold)
    return (await inspect_again(pipeline, picture, moved)).verdict.regions


async def inspect_again(
    pipeline: Pipeline, picture: Picture, options: InspectOptions
) -> Inspection:
    """Inspect a picture that is there already; nothing of it is counted or recorded.

    Raises:
        RequestError, NotReadyError, QueueFullError, DeadlineExceededError, EngineError: as
            inspecting.
    """

    async def read() -> Picture:
        return picture

    return await pipeline.inspect(read, options)
