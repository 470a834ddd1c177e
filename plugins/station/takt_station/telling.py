"""A station tells the server how it fares, and hears which recipe is wanted; no part waits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import takt_client
from takt_client import AsyncTaktClient
from takt_client.errors import RequestError
from takt_station.cameras import PartCamera
from takt_station.cycle.signals import Controls, OfflineReason, StationStatus
from takt_station.news import StationNews
from takt_station.running import Station

_LOOK_EVERY_S: Final = 0.1
"""Time between two looks at whether something is otherwise."""

_TELL_EVERY_S: Final = 1.0
"""Time between two reports where nothing is."""

_REFUSED_S: Final = 30.0
"""Time until a server that refuses reports, such as one of an earlier release, is told again."""

_HEARS_S: Final = 2.0
"""A PLC that has neither read nor written for so long is not connected."""

REPORTED_S: Final = 2.0
"""Time after which a report is given up: the next one says more."""

logger = logging.getLogger("takt_station")


@dataclass(slots=True)
class HeardPlc:
    """Passes on what a controller says and reads, and knows when it did last.

    Args:
        station: that it talks with.
        clock: seconds that only go on.
        now_s: Unix time.
    """

    station: Station
    clock: Callable[[], float] = time.monotonic
    now_s: Callable[[], float] = time.time
    _heard_s: float = float("-inf")
    _heard_at_s: float | None = None

    def controls(self, controls: Controls) -> None:
        """Hear what the controller says."""
        self._hear()
        self.station.controls(controls)

    def status(self) -> StationStatus:
        """What the controller reads."""
        self._hear()
        return self.station.status()

    @property
    def connected(self) -> bool:
        """Whether it has said or read something just now."""
        return self.clock() - self._heard_s <= _HEARS_S

    @property
    def heard_at(self) -> str | None:
        """When it did last, ISO 8601; None if it never has."""
        return None if self._heard_at_s is None else _moment(self._heard_at_s)

    def _hear(self) -> None:
        self._heard_s, self._heard_at_s = self.clock(), self.now_s()


@dataclass(frozen=True, slots=True)
class StationRun:
    """What a station is for as long as its process runs.

    Attributes:
        name: of the station.
        run: tells this run of it from those before.
        began_s: Unix time at which it began.
        result_ms: time from a trigger to its result, at most.
    """

    name: str
    run: str
    began_s: float
    result_ms: float


@dataclass(slots=True)
class StationTeller:
    """Tells the server about once a second how a station fares, and at once what has changed.

    Whatever the server does, one report at a time is under way, and it is given up after two
    seconds. A wish for a recipe is taken once, by its sequence.

    Args:
        of_run: what the station is.
        station: at work.
        plc: its controller.
        cameras: by the names of their views.
        news: what became of its parts.
        taker: takes the reports; whoever made it closes it.
    """

    of_run: StationRun
    station: Station
    plc: HeardPlc
    cameras: Mapping[str, PartCamera]
    news: StationNews
    taker: AsyncTaktClient
    _taken: int | None = None
    _why_not: str = ""

    async def run(self) -> None:
        """Tell, until this is cancelled."""
        while True:
            try:
                await self._keep_telling()
            except Exception:
                logger.exception("something unforeseen, as the server was told how things are")
                await asyncio.sleep(_REFUSED_S)

    async def _keep_telling(self) -> None:
        told: Mapping[str, Any] = {}
        clock = asyncio.get_running_loop().time
        due_s = clock()
        while True:
            standing = self._standing()
            if standing != told or clock() >= due_s:
                told = standing
                await self._tell(standing)
                due_s = clock() + _TELL_EVERY_S
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _tell(self, standing: Mapping[str, Any]) -> None:
        """Tell how it fares, and put in force what is wanted."""
        plc = {"connected": standing["plc"], "heard_at": self.plc.heard_at}
        report = {**standing, **self.news.said, "plc": plc}
        try:
            wish = await self.taker.report_station(self.of_run.name, report)
        except takt_client.TaktError as error:
            self._complain(str(error))
            if isinstance(error, RequestError):
                await asyncio.sleep(_REFUSED_S)
            return
        self._complain("")
        if wish is not None and wish.sequence > (self._taken or 0):
            self._taken = wish.sequence
            logger.warning("recipe %d is put in force, as the server says", wish.number)
            self.station.change_recipe(wish.number)

    def _standing(self) -> dict[str, Any]:
        """What is told at once where it changes."""
        status, recipe = self.station.status(), self.station.recipe
        why = status.offline_reason
        return {
            "run": self.of_run.run,
            "began_at": _moment(self.of_run.began_s),
            "online": status.online,
            "offline_reason": None if why is OfflineReason.NONE else why.name.lower(),
            "server_ready": self.station.inspector_ready,
            "plc": self.plc.connected,
            "cameras": [
                {"name": name, "well": camera.well} for name, camera in self.cameras.items()
            ],
            "recipe": {
                "number": status.recipe,
                "name": None if recipe is None else recipe.name,
                "changing": status.command_busy,
            },
            "result_ms": self.of_run.result_ms,
            "taken": self._taken,
        }

    def _complain(self, why_not: str) -> None:
        """Say once that the server hears nothing of this station, and once that it does again."""
        if why_not and not self._why_not:
            logger.warning("the server does not hear how this station fares: %s", why_not)
        elif self._why_not and not why_not:
            logger.warning("the server hears again how this station fares")
        self._why_not = why_not


def _moment(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")
