"""`GET /v1/status`: the few numbers that matter, and the alert conditions that hold now."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response

from takt.api.problems import problem_responses
from takt.api.rest.status_schemas import (
    ConditionHelpOut,
    ConditionOut,
    DiskOut,
    GpuOut,
    MemoryOut,
    ModelFiguresOut,
    PointsOut,
    RecordFiguresOut,
    SectionOut,
    StatusOut,
    StretchOut,
    UsedOut,
    WorkersOut,
)
from takt.core.distribution import version
from takt.core.errors import ConditionNotFoundError
from takt.observing.status.alarms import Alarm
from takt.observing.status.host_state import HostState
from takt.observing.status.run_book import PAGE, run_book
from takt.observing.status.watch import Point, Status, StatusWatch


def _unknown(name: str) -> ConditionNotFoundError:
    return ConditionNotFoundError(
        f"there is no alert condition {name}; GET /v1/status names those that hold"
    )


def server_status_router(watch: StatusWatch, workers: int = 1) -> APIRouter:
    """The routes that tell how the server fares.

    Args:
        watch: reads the instruments.
        workers: how many the server has.
    """
    router = APIRouter(tags=["health"])

    @router.get("/v1/status", response_model=StatusOut)
    async def get_status() -> Response:
        """The few numbers that matter, and the alert conditions that hold now.

        The conditions are those of the rules for Prometheus that one server can tell of itself.
        """
        status = await watch.status()
        # What takes the loop's time is taken from the pictures of a line.
        text = await asyncio.to_thread(lambda: _out(status, workers).model_dump_json())
        return Response(text, media_type="application/json")

    @router.get(
        "/v1/status/conditions/{condition}", responses=problem_responses(_unknown("TaktNothing"))
    )
    async def explain_condition(
        condition: Annotated[str, Path(description="Name of the alert.")],
    ) -> ConditionHelpOut:
        """What to do about an alert condition, from the guide for operators."""
        book = await asyncio.to_thread(run_book)
        sections = book.about(condition.lower()) if condition.startswith("Takt") else []
        if not sections:
            raise _unknown(condition)
        return ConditionHelpOut(
            name=sections[0].title,
            page=PAGE,
            sections=[SectionOut.model_validate(section) for section in sections],
        )

    return router


def _out(status: Status, workers: int) -> StatusOut:
    total, host = status.total, status.host
    fullest = max((model.queue_depth for model in status.models), default=0)
    return StatusOut(
        at=_time(status.unix_s),
        version=version(),
        started=_time(status.unix_s - status.uptime_s),
        uptime_s=status.uptime_s,
        workers=WorkersOut(
            number=workers,
            silent=round(total("takt_workers_still")),
            leader_is_silent=not status.is_of_leader,
        ),
        conditions=[_condition(alarm, status) for alarm in status.alarms],
        last_minute=StretchOut.model_validate(status.last_minute),
        since_start=StretchOut.model_validate(status.since_start),
        models=[ModelFiguresOut.model_validate(model) for model in status.models],
        queue=UsedOut(used=fullest, limit=round(total("takt_queue_size_limit"))),
        connections=_connections(status),
        in_flight=round(total("takt_in_flight")),
        streams=round(total("takt_streams")),
        memory=MemoryOut(
            pictures=round(total("takt_memory_in_flight_bytes")),
            pictures_limit=round(total("takt_memory_in_flight_limit_bytes")),
            process=host.process_bytes,
            process_limit=host.limit_bytes,
        ),
        disks=[DiskOut.model_validate(disk) for disk in host.disks],
        record=_record(status),
        gpus=_gpus(host),
        points=_points(status.points),
    )


def _condition(alarm: Alarm, status: Status) -> ConditionOut:
    condition = alarm.condition
    return ConditionOut(
        name=condition.name,
        severity="critical" if condition.severity == "critical" else "warning",
        note=condition.severity == "info",
        firing=alarm.firing,
        since=_time(status.unix_s - (status.reading.at_s - alarm.since_s)),
        for_s=condition.for_s,
        labels=dict(zip(condition.labels, alarm.labels, strict=True)),
        text=alarm.text,
        page=PAGE,
        anchor=condition.name.lower(),
    )


def _connections(status: Status) -> UsedOut | None:
    """None where something else than Takt's own server holds the connections."""
    limit = round(status.total("takt_connections_limit"))
    return UsedOut(used=round(status.total("takt_connections")), limit=limit) if limit else None


def _record(status: Status) -> RecordFiguresOut | None:
    if ("takt_record_up", ()) not in status.reading.values:
        return None
    total = status.total
    return RecordFiguresOut(
        up=bool(total("takt_record_up")),
        stored=round(total("takt_record_inspections_total", outcome="stored")),
        lost=round(total("takt_record_inspections_total", outcome="lost")),
        waiting=round(total("takt_record_waiting")),
        pictures_kept=round(total("takt_record_pictures_total", outcome="kept")),
        pictures_lost=round(total("takt_record_pictures_total", outcome="lost")),
        picture_bytes=round(total("takt_record_picture_bytes")),
        recent_bytes=round(total("takt_record_recent_bytes")),
    )


def _gpus(host: HostState) -> list[GpuOut]:
    return [
        GpuOut(
            gpu=gpu,
            busy_share=figures.get("utilization_ratio"),
            memory_used_bytes=_whole(figures.get("memory_used_bytes")),
            memory_total_bytes=_whole(figures.get("memory_total_bytes")),
            temperature_celsius=figures.get("temperature_celsius"),
            power_watts=figures.get("power_watts"),
        )
        for gpu, figures in host.gpus.items()
    ]


def _points(points: Sequence[Point]) -> PointsOut:
    rows = [asdict(point) for point in points]
    names = {name: "unix_s" if name == "at" else name for name in PointsOut.model_fields}
    return PointsOut(**{name: [row[of] for row in rows] for name, of in names.items()})


def _time(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)


def _whole(value: float | None) -> int | None:
    return None if value is None or math.isnan(value) else round(value)
