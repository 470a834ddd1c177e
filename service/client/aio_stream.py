"""A stream of frames from an asyncio program."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from service.client.connection import (
    HANDSHAKE_S,
    LEFT,
    MOST_FRUITLESS,
    OPENING_FAILURES,
    lost,
    refused_opening,
)
from service.client.failures import Refusal
from service.client.pictures import Picture, for_frame
from service.client.retry import Attempts
from service.client.session import StreamSession
from service.client.stream_items import StreamItem, StreamStats
from service.domain import RawPicture
from service.errors import RequestError, TaktError, UnavailableError

Open = Callable[[float], Awaitable[ClientConnection]]
"""Opens a connection within so many seconds."""


class AsyncStream:
    """`async with`: sends frames and iterates over what is said of each, in order.

    A lost connection is opened again, within the client's retry policy, and what is unanswered is
    sent again. Sending and iterating may be done by two tasks; what arrives while `send` waits is
    kept until it is iterated over.

    Args:
        url: of the WebSocket, for messages.
        session: the conversation.
        open_connection: see there.
        attempts: begins the attempts to open a connection.
        sleep: waits between them; unless it is given, leaving the stream ends a wait.
    """

    def __init__(
        self,
        url: str,
        session: StreamSession,
        open_connection: Open,
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
        """What the server counted, once the stream has been finished and iterated to its end."""
        return self._session.stats

    async def __aenter__(self) -> Self:
        await self._open(None)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # First, lest whoever still sends takes this for a lost connection, and opens another one.
        self._left.set()
        if self._connection is None:
            return
        try:
            if kind is None and not self._session.finishing:
                # So that the server need not keep the session for somebody who comes back.
                with contextlib.suppress(ConnectionClosed):
                    await self._connection.send(self._session.bye())
        finally:
            await self._connection.close()

    async def inspect(
        self, pictures: Iterable[Picture | RawPicture] | AsyncIterable[Picture | RawPicture]
    ) -> AsyncIterator[StreamItem]:
        """Send all these, yield what is said of each, and finish the stream.

        Raises:
            TaktError: as `send` and iterating do; and whatever `pictures` raises.
        """
        feeding = asyncio.create_task(self._feed(pictures))
        try:
            async for item in self:
                yield item
            await feeding
        finally:
            feeding.cancel()
            await asyncio.wait({feeding})

    async def send(self, picture: Picture | RawPicture, *, captured_us: int = 0) -> None:
        """Send a frame, as soon as the server has room for it.

        Args:
            picture: encoded, or the pixels themselves.
            captured_us: when it was captured, in µs since 1970; comes back with the answer.

        Raises:
            TaktError: it cannot be sent, or the connection cannot be had again.
        """
        if isinstance(picture, Path):
            picture = await asyncio.to_thread(picture.read_bytes)
        data = for_frame(picture)
        async with self._sending:
            while self._session.credits < 1:
                async with self._reading:
                    if self._session.credits < 1:
                        await self._read()
            async with self._opening:
                message = self._session.frame(data, captured_us)
                connection = self._connection
            await self._deliver(connection, message)

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

    async def _feed(
        self, pictures: Iterable[Picture | RawPicture] | AsyncIterable[Picture | RawPicture]
    ) -> None:
        try:
            if isinstance(pictures, AsyncIterable):
                async for picture in pictures:
                    await self.send(picture)
            else:
                for picture in pictures:
                    await self.send(picture)
        except Exception:
            await self.finish()
            raise
        await self.finish()

    async def _deliver(self, connection: ClientConnection | None, message: bytes | str) -> None:
        assert connection is not None, "the stream is used within `async with`"
        try:
            await connection.send(message)
        except ConnectionClosed:
            # What the server said before it closed is read first; then a new connection is opened,
            # on which the message is sent again with all that is unanswered.
            async with self._reading:
                while self._connection is connection and self._session.stats is None:
                    await self._read()

    async def _read(self) -> None:
        """Take in one message; a failure is final, and whoever reads next meets the same."""
        if self._failure is not None:
            raise self._failure
        try:
            await self._read_message()
        except TaktError as error:
            self._failure = error
            raise

    async def _read_message(self) -> None:
        connection = self._connection
        assert connection is not None, "the stream is used within `async with`"
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
                    connection = await self._greet(min(attempts.remaining_s, HANDSHAKE_S))
                except OPENING_FAILURES as error:
                    refusal = refused_opening(self._url, error)
                else:
                    self._connection = connection
                    break
        if self._left.is_set():
            # Meanwhile, and so the connection before this one was closed.
            await connection.close()
        self._check_not_left()

    async def _pause(self, delay_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._left.wait()

    def _check_not_left(self) -> None:
        if self._left.is_set():
            raise RequestError(LEFT)

    async def _greet(self, within_s: float) -> ClientConnection:
        async with asyncio.timeout(within_s):
            connection = await self._open_connection(within_s)
            try:
                await connection.send(self._session.hello())
                unanswered = self._session.welcome(await connection.recv())
                # Whoever reads finds it closed, and counts it.
                with contextlib.suppress(ConnectionClosed):
                    for message in unanswered:
                        await connection.send(message)
            except BaseException:
                await connection.close()
                raise
            return connection
