"""`/v1/watch`: whether camera, light and model are as ever, and what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Connection

from takt.api.problems import request_id_of
from takt.api.records.alarms import shown_alarm
from takt.api.records.filters import InspectionId, Text
from takt.api.records.problems import NO_LIMIT, NO_NUMBER, record_responses
from takt.api.records.threads import RecordThreads
from takt.api.records.watch_schemas import (
    CourseOut,
    CoursePointOut,
    OddFactOut,
    OddnessOut,
    PromiseOut,
    SpreadOut,
    WatchedStreamOut,
    WatchOut,
)
from takt.core.domain import FactName
from takt.core.errors import InspectionNotFoundError
from takt.core.pictures.facts import FACTS
from takt.core.pictures.good_facts import GoodFacts
from takt.recording.search.times import now_us
from takt.recording.watch.alarms import MOST_AT_ONCE, alarms_of
from takt.recording.watch.course import course_of
from takt.recording.watch.known import KnownOf
from takt.recording.watch.oddness import oddness_of
from takt.recording.watch.state import watched_streams
from takt.watching.calibration import PICTURES_BETWEEN

FactsOf = Callable[[str, str | None], GoodFacts | None]
"""Gives the facts of the good pictures of a model's version, or of its active one if None; None
where there are none."""

_NO_FACTS = InspectionNotFoundError(
    "nothing is known of how usual the picture of inspection 17 is: version 1 of pitting keeps no "
    "facts of good pictures, or is not here any more; `takt calibrate` adds them"
)
_MEANINGS = {fact.name: fact.meaning for fact in FACTS}


def watch_router(
    threads: RecordThreads,
    known_of: KnownOf,
    facts_of: FactsOf,
    is_active: Callable[[str, str], bool],
) -> APIRouter:
    """The routes of the watch.

    Args:
        threads: work on the record.
        known_of: what bundles say.
        facts_of: the facts of good pictures of a model's version.
        is_active: whether a version answers where a request names none, by model and version.
    """
    router = APIRouter(tags=["watch"])

    @router.get("/v1/watch", responses=record_responses())
    async def get_watch(request: Request) -> WatchOut:
        """What is watched: each stream of pictures, what each model rejects, and what calls."""

        def read(connection: Connection) -> WatchOut:
            found = watched_streams(connection, known_of, is_active)
            standing = alarms_of(connection, standing=True, limit=MOST_AT_ONCE)
            at_us = now_us()
            calling = [one for one in standing if one.calls(at_us)]
            return WatchOut(
                request_id=request_id_of(request.scope),
                pictures_between=PICTURES_BETWEEN,
                streams=[
                    WatchedStreamOut.model_validate(one) for one in found if one.rejects is None
                ],
                promises=[
                    PromiseOut.model_validate(one) for one in found if one.rejects is not None
                ],
                calling=[shown_alarm(connection, one) for one in calling],
            )

        return await threads.read(read)

    @router.get("/v1/watch/facts/{fact}", responses=record_responses(NO_LIMIT))
    async def get_course(
        request: Request,
        fact: Annotated[FactName, Path(description="Name of the fact.")],
        model: Annotated[Text, Query(description="Whose pictures.")],
        station: Annotated[Text, Query(description="Empty for pictures without one.")] = "",
        version: Annotated[
            Text | None, Query(description="Whose pictures; of any version unless given.")
        ] = None,
    ) -> CourseOut:
        """The course of a fact over the latest pictures of a model at a station."""
        facts = facts_of(model, version)
        found = await threads.read(
            lambda some: course_of(some, model, station, fact, facts, version)
        )
        return CourseOut(
            request_id=request_id_of(request.scope),
            fact=fact,
            meaning=_MEANINGS[fact],
            usual=None if found.usual is None else SpreadOut.model_validate(found.usual),
            points=[CoursePointOut.model_validate(one) for one in found.points],
            pictures=found.pictures,
        )

    @router.get("/v1/inspections/{id}/facts", responses=record_responses(_NO_FACTS, NO_NUMBER))
    async def get_facts(request: Request, number: InspectionId) -> OddnessOut:
        """How odd a picture is among the good ones of its calibration, fact by fact."""
        found = await threads.read(lambda some: oddness_of(some, number, known_of))
        return OddnessOut(
            request_id=request_id_of(request.scope),
            id=number,
            score=found.score,
            odder=found.odder,
            facts=[
                OddFactOut.model_validate({**asdict(one), "meaning": _MEANINGS[one.fact]})
                for one in found.facts
            ],
        )

    return router
