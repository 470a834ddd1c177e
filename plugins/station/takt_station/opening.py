"""A station from its file: everything that it works with is opened, and closed at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from takt.core.errors import ConfigurationError
from takt.sources.pacing import WatchClock
from takt.sources.sources import source_of
from takt_client import AsyncTaktClient
from takt_client.connection import ServerAccess
from takt_station.cameras import PartCamera, SnapshotCamera, SourceCamera
from takt_station.controllers import Controller, ControllerSection
from takt_station.cycle.machine import CycleTiming
from takt_station.file import CameraSection, CycleSection, StationFile, StationFileError
from takt_station.news import StationNews
from takt_station.running import Station, StationListener
from takt_station.server import ServerInspector, one_try, part_id, try_within
from takt_station.telling import REPORTED_S, HeardPlc, StationRun, StationTeller

_SNAPSHOT_S = 10.0
"""Longest time that a camera may take for a snapshot which nobody waits for any more."""

_EARLY_MS, _EARLY_SHARE = 3.0, 0.05
"""How long before its time a part that waits has no decision: what the event loop may wake late."""

_NO_PROXY: Final = {"http://": None, "https://": None, "all://": None}
"""Proxies of the environment are not for cameras: one could answer with a picture that it keeps."""


@asynccontextmanager
async def open_station(
    file: StationFile, listener: StationListener, notice: Callable[[str], None]
) -> AsyncIterator[tuple[Station, str]]:
    """Open what a file says; the station works once its `run` does.

    Args:
        file: of the station.
        listener: hears what became of parts.
        notice: hears what happens to cameras.

    Yields:
        The station, and where its PLC finds it.

    Raises:
        StationFileError: a file that it names cannot be read.
        SourceError: a camera names no source.
        ConfigurationError: the PLC cannot be heard as the file says.
    """
    section = file.station
    began = datetime.now(UTC)
    # To the microsecond, as a part of another process would be this one otherwise.
    run = f"{began:%Y%m%dT%H%M%S.%f}"
    retry = try_within(file.cycle.result_ms)
    access: ServerAccess = {
        "key": _key(section.key_file),
        "cafile": section.cafile,
        "certfile": section.certfile,
    }
    async with (
        AsyncTaktClient(section.server, retry=retry, **access) as client,
        # Its own connections: no part waits for one that a report has.
        AsyncTaktClient(section.server, retry=one_try(REPORTED_S), **access) as teller_client,
        httpx.AsyncClient(timeout=_SNAPSHOT_S, mounts=_NO_PROXY) as http,
    ):
        news = StationNews(partial(part_id, section.name, run))
        cameras = _cameras(file.cameras, http, notice)
        station = Station(
            timing_of(file.cycle),
            cameras,
            ServerInspector(client, section.name, run),
            [listener, news],
        )
        heard = HeardPlc(station)
        controller = file.plc.controller(heard)
        of_run = StationRun(section.name, run, began.timestamp(), file.cycle.result_ms)
        teller = StationTeller(of_run, station, heard, cameras, news, teller_client)
        place = await _started(controller, file.plc)
        station.tell_changes(controller.changed)
        telling = asyncio.create_task(teller.run())
        try:
            if section.recipe:
                station.change_recipe(section.recipe)
            yield station, place
        finally:
            telling.cancel()
            await asyncio.wait([telling])
            await controller.stop()


async def _started(controller: Controller, section: ControllerSection) -> str:
    """Where a controller is found, which has begun to hear."""
    try:
        return await controller.start()
    except OSError as error:
        raise ConfigurationError(
            f"a PLC cannot be heard ({section.summary}): {error.strerror or error}; name another "
            "address or port in [plc], or let this process have it: ports below 1024 need a "
            "privilege"
        ) from error


def timing_of(section: CycleSection) -> CycleTiming:
    """The times of a cycle, a little shorter than what was asked for, as processes wake late."""
    said = section.model_dump()
    early_ms = min(_EARLY_MS, _EARLY_SHARE * section.result_ms)
    return CycleTiming(**said | {"result_ms": section.result_ms - early_ms})


def _cameras(
    sections: Mapping[str, CameraSection], http: httpx.AsyncClient, notice: Callable[[str], None]
) -> dict[str, PartCamera]:
    clock = WatchClock()

    def camera_of(name: str, section: CameraSection) -> PartCamera:
        if section.snapshot is not None:
            return SnapshotCamera(section.snapshot, http)
        assert section.source is not None
        source = source_of(section.source, loop=True, own_rate=False, clock=clock, notice=notice)
        return SourceCamera(name, source, section.lag_ms)

    return {name: camera_of(name, section) for name, section in sections.items()}


def _key(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise StationFileError(f"station.key_file: {path} cannot be read: {reason}") from None
