"""A stream of frames: sends, reads, and opens a lost connection again."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Self, TypeVar, overload

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from takt_client.errors import RequestError, TaktError, UnavailableError
from takt_client.failures import Refusal, lost, refused_opening
from takt_client.pictures import (
    ColorOrder,
    Picture,
    PixelArray,
    RawPicture,
    check_several,
    for_frame,
)
from takt_client.retry import Attempts
from takt_client.session import FrameViewChoices, PartLabels, StreamSession, view_message
from takt_client.values import StreamItem, StreamStats

HANDSHAKE_S = 10.0
"""Longest attempt to open a connection and be welcomed; a silent server is then tried again."""

MOST_FRUITLESS = 3
"""Connections in a row that may be lost with frames under way and not a word on them.

A frame that makes the server hang up would be sent for ever otherwise."""

LEFT = "the stream has been left by its `with`; open another one"

_OPENING_FAILURES = (OSError, WebSocketException, UnavailableError)
"""Errors of an opening that may be tried again; all others are final."""

T = TypeVar("T")
Many = Iterable[T] | AsyncIterable[T]

OpenConnection = Callable[[float], Awaitable[ClientConnection]]
"""Opens a connection within a number of seconds."""


class AsyncTaktStream:
    """`async with`: sends frames and iterates over an item for each.

    A lost connection is opened again, within the client's retry policy, and what is unanswered is
    sent again. Sending and iterating may be done by two tasks; what arrives while `send` waits is
    kept until it is iterated over.

    Args:
        url: of the WebSocket, for messages.
        session: the conversation.
        open_connection: opens a connection to the URL.
        attempts: begins the attempts to open a connection.
        sleep: waits between them; without it, leaving the stream ends a wait.
    """

    def __init__(
        self,
        url: str,
        session: StreamSession,
        open_connection: OpenConnection,
        attempts: Callable[[], Attempts],
        sleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        self._url = url
        self._session = session
        self._open_connection = open_connection
        self._new_attempts = attempts
        self._left = asyncio.Event()
        self._sleep = sleep or self._pause
        self._fruitless = 0
        self._failure: TaktError | None = None
        self._connection: ClientConnection | None = None
        self._sending = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._opening = asyncio.Lock()

    @property
    def stats(self) -> StreamStats | None:
        """The server's counts; None until the stream is finished and iterated to its end."""
        return self._session.stats

    async def __aenter__(self) -> Self:
        await self._open(None)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # First: a task that still sends would take this for a lost connection, and open another.
        self._left.set()
        if self._connection is None:
            return
        try:
            if kind is None and not self._session.finishing:
                # The server then need not keep the session for somebody who comes back.
                with contextlib.suppress(ConnectionClosed):
                    await self._connection.send(self._session.bye())
        finally:
            await self._connection.close()

    @overload
    def inspect(self, pictures: Many[Picture]) -> AsyncIterator[StreamItem]: ...
    @overload
    def inspect(
        self, pictures: Many[Picture | PixelArray], *, color: ColorOrder
    ) -> AsyncIterator[StreamItem]: ...
    async def inspect(
        self, pictures: Many[Any], *, color: ColorOrder | None = None
    ) -> AsyncIterator[StreamItem]:
        """Send all pictures, yield an item for each, and finish the stream.

        Args:
            pictures: each as for `send`.
            color: of those that are arrays.

        Raises:
            TaktError: sending or iterating failed; `pictures` may raise whatever it raises.
        """
        check_several(pictures, Iterable, AsyncIterable)
        feeding = asyncio.create_task(self._feed(pictures, color))
        try:
            async for item in self:
                yield item
            await feeding
        finally:
            feeding.cancel()
            await asyncio.wait({feeding})

    @overload
    async def send(
        self,
        picture: Picture,
        *,
        captured_us: int = 0,
        labels: PartLabels | None = None,
        view: FrameViewChoices | None = None,
    ) -> None: ...
    @overload
    async def send(
        self,
        picture: Picture | PixelArray,
        *,
        color: ColorOrder,
        captured_us: int = 0,
        labels: PartLabels | None = None,
        view: FrameViewChoices | None = None,
    ) -> None: ...
    async def send(
        self,
        picture: Picture | PixelArray,
        *,
        color: ColorOrder | None = None,
        captured_us: int = 0,
        labels: PartLabels | None = None,
        view: FrameViewChoices | None = None,
    ) -> None:
        """Send a frame, as soon as the server has room for it.

        Args:
            picture: the bytes of a file, its path, an array uint8 [height, width, 3] or gray
                [height, width], or a `RawPicture`.
            color: order of an array's channels, `bgr` as OpenCV reads or `rgb`; an array of two
                axes is gray without it.
            captured_us: when it was captured, in µs since 1970; comes back with the answer.
            labels: what it shows, for the server's record, beside what was said of the stream.
            view: of a part that it shows, which is inspected by the part's recipe and never
                dropped. Where an answer was lost, the view may be with the server all the same:
                the frame that is sent again is then refused with `view_taken` or `part_ended`.

        Raises:
            TaktError: it cannot be sent, or the connection cannot be opened again.
        """
        if view is not None and labels is not None:
            raise RequestError("a view has labels of its own; give station, lot and tags in view")
        data = await _for_frame(picture, color)
        async with self._sending:
            while self._session.credits < 1:
                async with self._reading:
                    if self._session.credits < 1:
                        await self._read()
            async with self._opening:
                # Sent again with the frame, should the connection be lost in between.
                shown = None if view is None else view_message(view)
                before = self._session.part(labels) if shown is None else [shown]
                messages: list[bytes | str] = [*before]
                messages.append(self._session.frame(data, captured_us, shown))
                connection = self._connection
            try:
                # All begun in one turn: whoever gives up in between leaves no view without its
                # frame, for which the server would take the next one.
                await asyncio.gather(*(self._deliver(connection, one) for one in messages))
            except asyncio.CancelledError:
                self._session.unsaid()
                raise

    async def finish(self) -> None:
        """Say that no frame follows; iterating ends when all are answered."""
        async with self._sending:
            async with self._opening:
                message = self._session.bye()
                connection = self._connection
            await self._deliver(connection, message)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamItem:
        while (item := self._session.next_item()) is None:
            if self._session.stats is not None:
                raise StopAsyncIteration
            async with self._reading:
                if self._session.silent:
                    await self._read()
        return item

    async def _feed(self, pictures: Many[Any], color: ColorOrder | None) -> None:
        try:
            if isinstance(pictures, AsyncIterable):
                async for picture in pictures:
                    await self.send(await _for_frame(picture, color))
            else:
                for picture in pictures:
                    await self.send(await _for_frame(picture, color))
        except Exception:
            await self.finish()
            raise
        await self.finish()

    async def _deliver(self, connection: ClientConnection | None, message: bytes | str) -> None:
        assert connection is not None, "the stream is used within `with`"
        try:
            await connection.send(message)
        except ConnectionClosed:
            # The server's last messages are read first; then a new connection is opened, on which
            # the message is sent again with all that is unanswered.
            async with self._reading:
                while self._connection is connection and self._session.stats is None:
                    await self._read()

    async def _read(self) -> None:
        """Take in one message; a failure is final, and every later reader meets it again."""
        if self._failure is not None:
            raise self._failure
        try:
            await self._read_message()
        except TaktError as error:
            self._failure = error
            raise

    async def _read_message(self) -> None:
        connection = self._connection
        assert connection is not None, "the stream is used within `with`"
        try:
            message = await connection.recv()
            self._session.read(message)
        except ConnectionClosed as closed:
            refusal = lost(self._url, closed)
        except UnavailableError as error:
            refusal = Refusal(error, again=True)
        else:
            self._fruitless = 0
            return
        await connection.close()
        # An idle connection may be lost as often as it likes.
        self._fruitless += self._session.under_way
        if self._fruitless > MOST_FRUITLESS:
            raise refusal.error
        await self._open(refusal)

    async def _open(self, refusal: Refusal | None) -> None:
        """Connect and greet, as often as the policy allows; after `refusal`, not at once."""
        attempts = self._new_attempts()
        async with self._opening:
            while True:
                self._check_not_left()
                if refusal is not None:
                    await self._sleep(attempts.delay_s(refusal))
                    self._check_not_left()
                try:
                    connection = await self._greet(attempts)
                except _OPENING_FAILURES as error:
                    refusal = refused_opening(self._url, error)
                else:
                    self._connection = connection
                    attempts.succeeded()
                    break
        if self._left.is_set():
            # It was left meanwhile, which closed the connection before this one.
            await connection.close()
        self._check_not_left()

    async def _pause(self, delay_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._left.wait()

    def _check_not_left(self) -> None:
        if self._left.is_set():
            raise RequestError(LEFT)

    async def _greet(self, attempts: Attempts) -> ClientConnection:
        within_s = min(attempts.remaining_s, HANDSHAKE_S)
        async with asyncio.timeout(within_s) as limit:
            connection = await self._open_connection(within_s)
            try:
                await connection.send(self._session.hello())
                unanswered = self._session.welcome(await connection.recv())
                # A server that is there is given what is large over a slow way, too.
                limit.reschedule(asyncio.get_running_loop().time() + attempts.remaining_s)
                # The next reader finds it closed, and counts it.
                with contextlib.suppress(ConnectionClosed):
                    for message in unanswered:
                        await connection.send(message)
            except BaseException:
                await connection.close()
                raise
            return connection


async def _for_frame(picture: Picture | PixelArray, color: ColorOrder | None) -> bytes | RawPicture:
    if isinstance(picture, (str, os.PathLike)):
        return await asyncio.to_thread(for_frame, picture)
    return for_frame(picture, color)
