"""`GET /v1/models/{name}/scores`: the scores that a threshold divides."""

from __future__ import annotations

import asyncio
import math

import numpy as np
import orjson
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray
from pydantic import Field

from takt.api.examples import NO_MODEL
from takt.api.json_body import JsonAnswer
from takt.api.paths import Name, version_of, versioned
from takt.api.problems import problem_responses, request_id_of
from takt.api.records.problems import UNREACHABLE
from takt.api.records.threads import RecordThreads
from takt.api.schemas import ReplyOut, Schema
from takt.core.bundles.bundle import Bundle
from takt.core.domain import Json
from takt.core.errors import NotReadyError
from takt.recording.review.judged_scores import MOST_SCORES, JudgedScores, judged_scores
from takt.repository.repository import ModelRepository


class ScoreSetOut(Schema):
    """Scores of some pictures."""

    scores: list[float] = Field(
        description=f"Ascending, at most {MOST_SCORES}: of more pictures the latest judged ones, "
        "or every so many of the calibration's by rank."
    )
    regions: list[bool] = Field(
        description="Whether each picture is anomalous by a region, whatever its score is: of the "
        "calibration at the pixel threshold in force, of what was judged as it was answered."
    )
    count: int = Field(description="Of all pictures that they stand for.")


class ScoreGroupsOut(Schema):
    """Scores of good and of defective pictures."""

    good: ScoreSetOut
    defects: ScoreSetOut


class ScoresOut(ReplyOut):
    """The scores that a version's threshold divides: a picture is anomalous if its is greater.

    It is anomalous, too, if it shows a region.
    """

    model: str
    version: str
    threshold: float = Field(description="In force, of a picture's score.")
    own: float = Field(description="The bundle's own.")
    alpha: float | None = Field(
        description="False-reject rate that the bundle's own was calibrated for."
    )
    calibration: ScoreGroupsOut = Field(
        description="Of the pictures that the bundle was calibrated with, each with the score that "
        "it had when the model had not seen it; often no defects. After an update, what is served "
        "may score former pictures lower."
    )
    judged: ScoreGroupsOut | None = Field(
        description="Of the recorded inspections of this very bundle that people have judged; "
        "null where the server keeps no record."
    )


def _unread(name: str, version: str, state: str) -> NotReadyError:
    return NotReadyError(
        f"the files of model {name}, version {version}, are not read: {state}; /health/ready says "
        "why"
    )


_RESPONSES = problem_responses(NO_MODEL, _unread("parts", "1", "loading"), UNREACHABLE)


def scores_router(repository: ModelRepository, threads: RecordThreads) -> APIRouter:
    """The routes that tell the scores behind a threshold.

    Args:
        repository: the models.
        threads: work on the record.
    """
    router = APIRouter(tags=["models"], responses=_RESPONSES)

    @versioned(
        router.get,
        "/v1/models/{name}/scores",
        "get_scores_of_version",
        response_model=ScoresOut,
    )
    async def get_scores(request: Request, name: Name) -> Response:
        """The scores of the active version's calibration, and of what was judged of it.

        Whoever moves the threshold can count what another one would have said of them. Judged
        inspections are no fair sample of the line: rejects are among them more often.
        """
        version = repository.get(name, version_of(request))
        bundle, thresholds = version.bundle, version.thresholds
        if bundle is None or thresholds is None:
            raise _unread(version.name, version.version, version.state)
        judged = None
        if threads.has_record:
            judged = await threads.run(
                lambda record: judged_scores(record.database, name, version.version, bundle.digest)
            )
        facts = {
            "request_id": request_id_of(request.scope),
            "model": name,
            "version": version.version,
            "threshold": thresholds.in_force.image,
        }
        # Thousands of numbers are sorted and written in a thread, not between two pictures.
        return JsonAnswer(
            await asyncio.to_thread(_body, facts, bundle, thresholds.in_force.pixel, judged)
        )

    return router


def _body(
    facts: Json, bundle: Bundle, pixel: float, judged: tuple[JudgedScores, JudgedScores] | None
) -> bytes:
    """The JSON of `ScoresOut`."""
    own, calibration = bundle.manifest.thresholds, bundle.calibration
    groups = {
        "good": _by_rank(calibration.good_score, calibration.good_peak, pixel),
        "defects": _by_rank(calibration.defect_score, calibration.defect_peak, pixel),
    }
    said = dict(zip(("good", "defects"), judged, strict=True)) if judged else None
    return orjson.dumps(
        {
            **facts,
            "own": own.image,
            "alpha": own.alpha,
            "calibration": groups,
            "judged": said,
        }
    )


def _by_rank(scores: NDArray[np.float32], peaks: NDArray[np.float32], pixel: float) -> Json:
    """The scores in order; of many every so many, so that shares above a threshold stay."""
    step = max(1, math.ceil(len(scores) / MOST_SCORES))
    # The highest stays: it says from where on nothing is rejected.
    chosen = np.argsort(scores)[::-1][::step][::-1]
    regions = peaks[chosen] > np.float64(pixel)
    return {
        "scores": scores[chosen].tolist(),
        "regions": regions.tolist(),
        "count": len(scores),
    }
