"""`/v1/watch`: whether camera, light and model are as ever, and what was found."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from sqlalchemy import Connection

from service.api.examples import FOREIGN_PAGE, SLOW_BODY
from service.api.json_body import described_body, read_json
from service.api.problems import client_of, problem_responses, request_id_of
from service.api.records.inspection_id import HIGHEST_ID, InspectionId
from service.api.records.judging import reviewer_of
from service.api.records.threads import NO_RECORD, UNREACHABLE, RecordThreads
from service.api.records.watch_schemas import (
    AcknowledgementIn,
    AlarmOut,
    AlarmsOut,
    CourseOut,
    CoursePointOut,
    LeastShiftOut,
    MarkIn,
    MarkOut,
    MarksOut,
    MovedOut,
    OddFactOut,
    OddnessOut,
    OneAlarmOut,
    OneMarkOut,
    PromiseOut,
    SnoozeIn,
    SpreadOut,
    WatchedStreamOut,
    WatchOut,
)
from service.core.domain import FactName
from service.core.errors import (
    AlarmNotFoundError,
    InspectionNotFoundError,
    InvalidParameterError,
)
from service.core.pictures.facts import FACTS
from service.core.pictures.good_facts import GoodFacts
from service.recording.record import Record
from service.recording.search.filters import LONGEST_TEXT
from service.recording.search.times import time_of
from service.recording.watch.alarms import (
    MOST_AT_ONCE,
    Mark,
    StoredAlarm,
    acknowledge,
    add_mark,
    alarm_of,
    alarms_of,
    marks_of,
    snooze,
)
from service.recording.watch.course import course_of
from service.recording.watch.known import KnownOf
from service.recording.watch.oddness import oddness_of
from service.recording.watch.pictures import Witnesses, witnesses_of
from service.recording.watch.state import WatchedStream, watched_streams
from service.watching.calibration import PICTURES_BETWEEN

AlarmId = Annotated[int, Path(alias="id", ge=1, le=HIGHEST_ID, description="Number of the alarm.")]
Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
FactsOf = Callable[[str], GoodFacts | None]
"""Gives the facts of the good pictures of a model's active version; None where there are none."""

_NO_ALARM = AlarmNotFoundError("there is no alarm 17; GET /v1/watch/alarms lists them")
_NO_FACTS = InspectionNotFoundError(
    "nothing is known of how usual the picture of inspection 17 is: version 1 of pitting keeps no "
    "facts of good pictures, or is not here any more; `takt calibrate` adds them"
)
_NO_ID = InvalidParameterError("id: Input should be greater than or equal to 1")
_READING = problem_responses(NO_RECORD, UNREACHABLE)
_LISTING = problem_responses(
    NO_RECORD, UNREACHABLE, InvalidParameterError("limit: Input should be greater than 0")
)
_OF_ONE = problem_responses(NO_RECORD, UNREACHABLE, _NO_ALARM, _NO_ID)
_SAYING = problem_responses(NO_RECORD, UNREACHABLE, _NO_ALARM, _NO_ID, FOREIGN_PAGE, SLOW_BODY)
_MARKING = problem_responses(
    NO_RECORD,
    UNREACHABLE,
    FOREIGN_PAGE,
    SLOW_BODY,
    InvalidParameterError("kind: Field required"),
)
_ODD = problem_responses(NO_RECORD, UNREACHABLE, _NO_FACTS, _NO_ID)
_MEANINGS = {fact.name: fact.meaning for fact in FACTS}


def watch_router(threads: RecordThreads, known_of: KnownOf, facts_of: FactsOf) -> APIRouter:
    """The routes of the watch.

    Args:
        threads: work on the record.
        known_of: what bundles say.
        facts_of: the facts of good pictures of a model's active version.
    """
    router = APIRouter(tags=["watch"])

    @router.get("/v1/watch", responses=_READING)
    async def get_watch(request: Request) -> WatchOut:
        """What is watched: each stream of pictures, what each model rejects, and what calls."""

        def read(connection: Connection) -> WatchOut:
            found = watched_streams(connection, known_of)
            standing = alarms_of(connection, standing=True, limit=MOST_AT_ONCE)
            now_us = _now_us()
            calling = [one for one in standing if one.calls(now_us)]
            return WatchOut(
                request_id=request_id_of(request.scope),
                pictures_between=PICTURES_BETWEEN,
                streams=[_stream(one) for one in found if one.rejects is None],
                promises=[_promise(one) for one in found if one.rejects is not None],
                calling=[_alarm(connection, one) for one in calling],
            )

        return await threads.read(read)

    @router.get("/v1/watch/alarms", responses=_LISTING)
    async def list_alarms(
        request: Request,
        model: Annotated[Text | None, Query(description="Of this model alone.")] = None,
        station: Annotated[Text | None, Query(description="Of this station alone.")] = None,
        standing: Annotated[bool, Query(description="Only those that have not ended.")] = False,
        limit: Annotated[int, Query(gt=0, le=MOST_AT_ONCE)] = 50,
    ) -> AlarmsOut:
        """Alarms, the latest first."""

        def read(connection: Connection) -> list[AlarmOut]:
            found = alarms_of(
                connection, model=model, station=station, standing=standing, limit=limit
            )
            return [_alarm(connection, one) for one in found]

        alarms = await threads.read(read)
        return AlarmsOut(request_id=request_id_of(request.scope), alarms=alarms)

    @router.get("/v1/watch/alarms/{id}", responses=_OF_ONE)
    async def get_alarm(request: Request, number: AlarmId) -> OneAlarmOut:
        """One alarm."""
        alarm = await threads.read(lambda found: _alarm(found, alarm_of(found, number)))
        return OneAlarmOut(request_id=request_id_of(request.scope), alarm=alarm)

    @router.post(
        "/v1/watch/alarms/{id}/acknowledge",
        responses=_SAYING,
        openapi_extra=described_body(AcknowledgementIn, required=True),
    )
    async def acknowledge_alarm(request: Request, number: AlarmId) -> OneAlarmOut:
        """Take note of an alarm, so that it calls nobody any more."""
        body = await read_json(request, AcknowledgementIn)
        who, client = reviewer_of(request, body.reviewer), client_of(request)
        return await told(
            request,
            lambda record: acknowledge(
                record.database, number, who=who, note=body.note, client=client
            ),
        )

    @router.post(
        "/v1/watch/alarms/{id}/snooze",
        responses=_SAYING,
        openapi_extra=described_body(SnoozeIn, required=True),
    )
    async def snooze_alarm(request: Request, number: AlarmId) -> OneAlarmOut:
        """Let an alarm call nobody for some hours."""
        body = await read_json(request, SnoozeIn)
        who, client = reviewer_of(request, body.reviewer), client_of(request)
        until_us = _now_us() + round(body.hours * 3600e6)
        return await told(
            request,
            lambda record: snooze(
                record.database, number, until_us=until_us, who=who, client=client
            ),
        )

    @router.get("/v1/watch/marks", responses=_LISTING)
    async def list_marks(
        request: Request,
        station: Annotated[
            Text | None, Query(description="Of this station, and those of all stations.")
        ] = None,
        limit: Annotated[int, Query(gt=0, le=MOST_AT_ONCE)] = 50,
    ) -> MarksOut:
        """Marks on the time line, the latest first."""
        found = await threads.read(lambda some: marks_of(some, station=station, limit=limit))
        return MarksOut(request_id=request_id_of(request.scope), marks=[*map(_mark, found)])

    @router.post(
        "/v1/watch/marks",
        responses=_MARKING,
        openapi_extra=described_body(MarkIn, required=True),
    )
    async def mark_line(request: Request) -> OneMarkOut:
        """Mark this moment: maintenance, after which watches begin anew, or a shift that begins."""
        body = await read_json(request, MarkIn)
        who, client = reviewer_of(request, body.reviewer), client_of(request)
        mark = await threads.run(
            lambda record: add_mark(
                record.database,
                body.kind,
                station=body.station,
                note=body.note,
                who=who,
                client=client,
            )
        )
        return OneMarkOut(request_id=request_id_of(request.scope), mark=_mark(mark))

    @router.get("/v1/watch/facts/{fact}", responses=_LISTING)
    async def get_course(
        request: Request,
        fact: Annotated[FactName, Path(description="Name of the fact.")],
        model: Annotated[Text, Query(description="Whose pictures.")],
        station: Annotated[Text, Query(description="Empty for pictures without one.")] = "",
    ) -> CourseOut:
        """The course of a fact over the latest pictures of a model at a station."""
        facts = facts_of(model)
        found = await threads.read(lambda some: course_of(some, model, station, fact, facts))
        return CourseOut(
            request_id=request_id_of(request.scope),
            fact=fact,
            meaning=_MEANINGS[fact],
            usual=None if found.usual is None else SpreadOut.model_validate(found.usual),
            points=[
                CoursePointOut(
                    at=time_of(one.at_us),
                    inspection_id=one.inspection_id,
                    spread=SpreadOut.model_validate(one.spread),
                )
                for one in found.points
            ],
            pictures=found.pictures,
        )

    @router.get("/v1/inspections/{id}/facts", responses=_ODD)
    async def get_facts(request: Request, number: InspectionId) -> OddnessOut:
        """How odd a picture is among the good ones of its calibration, fact by fact."""
        found = await threads.read(lambda some: oddness_of(some, number, known_of))
        return OddnessOut(
            request_id=request_id_of(request.scope),
            id=number,
            score=found.score,
            odder=found.odder,
            facts=[
                OddFactOut(
                    fact=one.fact,
                    meaning=_MEANINGS[one.fact],
                    value=one.value,
                    usual=one.usual,
                    tail=one.tail,
                    high=one.high,
                )
                for one in found.facts
            ],
        )

    async def told(request: Request, say: Callable[[Record], StoredAlarm]) -> OneAlarmOut:
        def change(record: Record) -> AlarmOut:
            alarm = say(record)
            with record.database.reading() as connection:
                return _alarm(connection, alarm)

        alarm = await threads.run(change)
        return OneAlarmOut(request_id=request_id_of(request.scope), alarm=alarm)

    return router


def _now_us() -> int:
    return time.time_ns() // 1000


def _alarm(connection: Connection, alarm: StoredAlarm) -> AlarmOut:
    pictures: Witnesses = witnesses_of(connection, alarm)
    return AlarmOut(
        id=alarm.id,
        model=alarm.model,
        version=alarm.version,
        station=alarm.station,
        cause=alarm.cause,
        moved=[MovedOut.model_validate(one) for one in alarm.moved],
        since=time_of(alarm.since_us),
        since_id=alarm.since_id,
        raised=time_of(alarm.raised_us),
        raised_id=alarm.raised_id,
        ended=_time(alarm.ended_us),
        acknowledged=_time(alarm.acknowledged_us),
        acknowledged_by=alarm.acknowledged_by,
        note=alarm.note,
        snoozed_until=_time(alarm.snoozed_until_us),
        calls=alarm.calls(_now_us()),
        then_id=pictures.then_id,
        now_id=pictures.now_id,
    )


def _time(at_us: int | None) -> datetime | None:
    return None if at_us is None else time_of(at_us)


def _stream(one: WatchedStream) -> WatchedStreamOut:
    least = one.least_shift
    return WatchedStreamOut(
        model=one.model,
        version=one.version,
        station=one.station,
        pictures=one.seen,
        calibrated_on=one.calibrated_on,
        least_shift=None if least is None else LeastShiftOut.model_validate(least),
    )


def _promise(one: WatchedStream) -> PromiseOut:
    assert one.rejects is not None
    return PromiseOut(
        model=one.model,
        version=one.version,
        alpha=one.alpha,
        promise=one.promise,
        promised=one.promised,
        parts=one.rejects.parts,
        rejected=one.rejects.rejected,
        low=one.between.low,
        high=one.between.high,
        broken=one.rejects.broken,
    )


def _mark(mark: Mark) -> MarkOut:
    return MarkOut(
        id=mark.id,
        at=time_of(mark.at_us),
        station=mark.station,
        kind=mark.kind,
        note=mark.note,
        who=mark.who,
    )
