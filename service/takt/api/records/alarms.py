"""`/v1/watch/alarms` and `/v1/watch/marks`: what was found, who knows of it, and the time line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Connection

from takt.api.examples import FOREIGN_PAGE, SLOW_BODY
from takt.api.json_body import described_body, read_json
from takt.api.problems import client_of, request_id_of
from takt.api.records.filters import Id, Text
from takt.api.records.judging import reviewer_of
from takt.api.records.problems import NO_LIMIT, NO_NUMBER, record_responses
from takt.api.records.threads import RecordThreads
from takt.api.records.watch_schemas import (
    AcknowledgementIn,
    AlarmOut,
    AlarmsOut,
    MarkIn,
    MarkOut,
    MarksOut,
    OneAlarmOut,
    OneMarkOut,
    SnoozeIn,
)
from takt.core.errors import AlarmNotFoundError, InvalidParameterError
from takt.recording.record import Record
from takt.recording.search.times import now_us
from takt.recording.watch.alarms import (
    MOST_AT_ONCE,
    StoredAlarm,
    acknowledge,
    add_mark,
    alarm_of,
    alarms_of,
    marks_of,
    snooze,
)
from takt.recording.watch.pictures import witnesses_of

AlarmId = Annotated[Id, Path(alias="id", description="Number of the alarm.")]

_NO_ALARM = AlarmNotFoundError("there is no alarm 17; GET /v1/watch/alarms lists them")
_LISTING = record_responses(NO_LIMIT)
_SAYING = record_responses(_NO_ALARM, NO_NUMBER, FOREIGN_PAGE, SLOW_BODY)
_MARKING = record_responses(FOREIGN_PAGE, SLOW_BODY, InvalidParameterError("kind: Field required"))


def alarms_router(threads: RecordThreads) -> APIRouter:
    """The routes of alarms."""
    router = APIRouter(tags=["watch"])

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
            return [shown_alarm(connection, one) for one in found]

        alarms = await threads.read(read)
        return AlarmsOut(request_id=request_id_of(request.scope), alarms=alarms)

    @router.get("/v1/watch/alarms/{id}", responses=record_responses(_NO_ALARM, NO_NUMBER))
    async def get_alarm(request: Request, number: AlarmId) -> OneAlarmOut:
        """One alarm."""
        alarm = await threads.read(lambda found: shown_alarm(found, alarm_of(found, number)))
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
        until_us = now_us() + round(body.hours * 3600e6)
        return await told(
            request,
            lambda record: snooze(
                record.database, number, until_us=until_us, who=who, client=client
            ),
        )

    async def told(request: Request, say: Callable[[Record], StoredAlarm]) -> OneAlarmOut:
        def change(record: Record) -> AlarmOut:
            alarm = say(record)
            with record.database.reading() as connection:
                return shown_alarm(connection, alarm)

        alarm = await threads.run(change)
        return OneAlarmOut(request_id=request_id_of(request.scope), alarm=alarm)

    return router


def marks_router(threads: RecordThreads) -> APIRouter:
    """The routes of marks on the time line."""
    router = APIRouter(tags=["watch"])

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
        marks = [MarkOut.model_validate(one) for one in found]
        return MarksOut(request_id=request_id_of(request.scope), marks=marks)

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
        shown = MarkOut.model_validate(mark)
        return OneMarkOut(request_id=request_id_of(request.scope), mark=shown)

    return router


def shown_alarm(connection: Connection, alarm: StoredAlarm) -> AlarmOut:
    """An alarm, with the pictures that show what it is about."""
    pictures = asdict(witnesses_of(connection, alarm))
    calls = alarm.calls(now_us())
    return AlarmOut.model_validate({**asdict(alarm), **pictures, "calls": calls})
