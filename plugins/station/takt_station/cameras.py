"""Cameras that a station triggers: each picture belongs to the part that asked for it.

GenICam would come as another `PartCamera`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Final, Protocol

import httpx

from takt.sources.capture import SourceError, shown
from takt.sources.pacing import Shot
from takt.sources.sources import ShotSource

_PROBE_EVERY_S: Final = 1.0
"""Time after which a camera that nobody asked is asked whether it is there."""

_SILENT_S: Final = 2.0
"""A camera that has sent nothing for so long, though it streams or was asked, is not well."""

_MOST_BYTES: Final = 64 * 1024 * 1024
"""Longest picture that a camera may send."""


class PartCamera(Protocol):
    """A camera that takes a picture when it is told to."""

    @property
    def well(self) -> bool:
        """Whether it answers."""

    async def acquire(self) -> Shot:
        """Take a picture; it shows what the camera sees after the call.

        Raises:
            SourceError: the camera gives none.
        """

    async def run(self) -> None:
        """Keep the camera ready, until this is cancelled."""


class SnapshotCamera:
    """A camera that answers a GET with a picture.

    Args:
        url: that gives a picture, such as `http://camera/snapshot.jpg`.
        http: asks it; whoever made it closes it.
        clock: seconds that only go on.

    Attributes:
        well: whether it answered the last time.
    """

    def __init__(
        self, url: str, http: httpx.AsyncClient, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._name = shown(url)
        self._http = http
        self._clock = clock
        self.well = False
        self._asked_s = float("-inf")

    async def acquire(self) -> Shot:
        """Take a picture.

        Raises:
            SourceError: the camera does not answer, or not with a picture.
        """
        self._asked_s = self._clock()
        try:
            picture = await self._get()
        except BaseException as error:
            # One that is too slow for a part is cancelled: it is not well before it answers again.
            self.well = False
            if isinstance(error, httpx.HTTPError):
                raise SourceError(f"{self._name} gives no picture: {_why(error)}") from None
            raise
        self.well = True
        return Shot(self._name, time.time_ns() // 1000, picture, self._clock())

    async def run(self) -> None:
        """Ask for a picture now and then where nobody does, so that it is known to be there.

        One that is not well is asked each time: no part asks it until it is.
        """
        while True:
            if not self.well or self._clock() - self._asked_s >= _PROBE_EVERY_S:
                with contextlib.suppress(SourceError, TimeoutError):
                    async with asyncio.timeout(_SILENT_S):
                        await self.acquire()
            await asyncio.sleep(_PROBE_EVERY_S / 2)

    async def _get(self) -> bytes:
        async with self._http.stream("GET", self._url) as response:
            response.raise_for_status()
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise SourceError(f"{self._name} sends more than {_MOST_BYTES} bytes")
        if not body:
            raise SourceError(f"{self._name} answers with nothing")
        return bytes(body)


class SourceCamera:
    """A source of frames as a camera that is triggered.

    Of a live one a part gets the first frame that comes after its trigger, and after the time that
    a frame takes to come. A folder or a video gives the next picture: for trials, as nobody can
    tell of which part a picture is that comes too late.

    Args:
        name: of the camera, for people.
        source: the frames.
        lag_ms: time from what a live source sees to the frame that shows it.
        clock: seconds that only go on.
    """

    def __init__(
        self,
        name: str,
        source: ShotSource,
        lag_ms: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._source = source
        self._lag_s = lag_ms / 1000
        self._clock = clock
        self._next: asyncio.Queue[Shot] = asyncio.Queue(maxsize=1)
        self._newest: asyncio.Future[Shot] | None = None
        self._came_s = float("-inf")
        self._ended: SourceError | None = None

    @property
    def well(self) -> bool:
        """Whether frames come, or, of a folder or a video, may come."""
        if self._ended is not None:
            return False
        return not self._source.live or self._clock() - self._came_s < _SILENT_S

    async def acquire(self) -> Shot:
        """The frame of a part.

        Raises:
            SourceError: there are no more frames.
        """
        if self._ended is not None:
            raise self._ended
        if not self._source.live:
            return await self._next.get()
        triggered_s = self._clock()
        while True:
            if self._newest is None:
                self._newest = asyncio.get_running_loop().create_future()
            shot = await asyncio.shield(self._newest)
            if shot.taken_s >= triggered_s + self._lag_s:
                return shot

    async def run(self) -> None:
        """Read the frames."""
        try:
            async with aclosing(self._source.shots()) as shots:
                async for shot in shots:
                    self._came_s = self._clock()
                    if self._source.live:
                        self._show(shot)
                    else:
                        await self._next.put(shot)
            self._ended = SourceError(f"{self._name} gives no more frames")
        except SourceError as error:
            self._ended = error
        if self._newest is not None:
            self._newest.set_exception(self._ended)
            # Nobody may have waited for it.
            self._newest.exception()
            self._newest = None

    def _show(self, shot: Shot) -> None:
        waiting, self._newest = self._newest, None
        if waiting is not None:
            waiting.set_result(Shot(shot.name, shot.captured_us, shot.picture, self._came_s))


def _why(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answers with status {error.response.status_code}"
    return str(error) or type(error).__name__
