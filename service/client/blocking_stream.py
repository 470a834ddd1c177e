"""A stream of frames from a program without asyncio."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

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

Open = Callable[[float], ClientConnection]
"""Opens a connection within so many seconds."""


class Stream:
    """`with`: sends frames and iterates over what is said of each, in order.

    A lost connection is opened again, within the client's retry policy, and what is unanswered is
    sent again. Sending and iterating may be done by one thread or by two; what arrives while `send`
    waits is kept until it is iterated over.

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
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._url = url
        self._session = session
        self._open_connection = open_connection
        self._new_attempts = attempts
        self._left = threading.Event()
        self._sleep = sleep or self._left.wait
        self._fruitless = 0
        self._failure: TaktError | None = None
        self._connection: ClientConnection | None = None
        self._sending = threading.Lock()
        self._opening = threading.Lock()
        self._changed = threading.Condition()
        """Guards the session, and tells that a message has been read."""
        self._reader_at_work = False

    @property
    def stats(self) -> StreamStats | None:
        """What the server counted, once the stream has been finished and iterated to its end."""
        return self._session.stats

    def __enter__(self) -> Self:
        self._open(None)
        return self

    def __exit__(
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
                    self._connection.send(self._session.bye())
        finally:
            self._connection.close()

    def inspect(self, pictures: Iterable[Picture | RawPicture]) -> Iterator[StreamItem]:
        """Send all these, yield what is said of each, and finish the stream.

        `pictures` is iterated over in a thread of its own, so that an answer does not wait for the
        next picture. Who stops early leaves that thread to end with the picture it waits for.

        Raises:
            TaktError: as `send` and iterating do; and whatever `pictures` raises.
        """
        failures: list[BaseException] = []
        stop = threading.Event()

        def feed() -> None:
            try:
                for picture in pictures:
                    if stop.is_set():
                        return
                    self.send(picture)
            except BaseException as error:
                failures.append(error)
            if not stop.is_set():
                with contextlib.suppress(Exception):  # iterating meets the same
                    self.finish()

        feeding = threading.Thread(target=feed, name="takt-stream", daemon=True)
        feeding.start()
        try:
            yield from self
            feeding.join()
        finally:
            stop.set()
        if failures:
            raise failures[0]

    def send(self, picture: Picture | RawPicture, *, captured_us: int = 0) -> None:
        """Send a frame, as soon as the server has room for it.

        Args:
            picture: encoded, or the pixels themselves.
            captured_us: when it was captured, in µs since 1970; comes back with the answer.

        Raises:
            TaktError: it cannot be sent, or the connection cannot be had again.
        """
        data = for_frame(picture)
        with self._sending:
            self._read_until(lambda: self._session.credits > 0)
            with self._opening:
                with self._changed:
                    message = self._session.frame(data, captured_us)
                connection = self._connection
            self._deliver(connection, message)

    def finish(self) -> None:
        """Say that no frame follows; iterating ends when all are answered."""
        with self._sending:
            with self._opening:
                message = self._session.bye()
                connection = self._connection
            self._deliver(connection, message)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamItem:
        self._read_until(lambda: not self._session.silent)
        item = self._session.next_item()
        if item is None:
            raise StopIteration
        return item

    def _deliver(self, connection: ClientConnection | None, message: bytes | str) -> None:
        assert connection is not None, "the stream is used within `with`"
        try:
            connection.send(message)
        except ConnectionClosed:
            # What the server said before it closed is read first; then a new connection is opened,
            # on which the message is sent again with all that is unanswered.
            self._read_until(
                lambda: self._connection is not connection or self._session.stats is not None
            )

    def _read_until(self, done: Callable[[], bool]) -> None:
        """Read messages; of several threads one reads, and the others look at what it has read."""
        while True:
            with self._changed:
                while self._reader_at_work and not done():
                    self._changed.wait()
                if done():
                    return
                self._reader_at_work = True
            try:
                self._read()
            finally:
                with self._changed:
                    self._reader_at_work = False
                    self._changed.notify_all()

    def _read(self) -> None:
        """Take in one message; a failure is final, and whoever reads next meets the same."""
        if self._failure is not None:
            raise self._failure
        try:
            self._read_message()
        except TaktError as error:
            self._failure = error
            raise

    def _read_message(self) -> None:
        connection = self._connection
        assert connection is not None, "the stream is used within `with`"
        try:
            message = connection.recv()
            with self._changed:
                self._session.read(message)
        except ConnectionClosed as closed:
            refusal = lost(self._url, closed)
        except UnavailableError as error:
            refusal = Refusal(error, again=True)
        else:
            self._fruitless = 0
            return
        connection.close()
        # An idle connection may be lost as often as it likes.
        self._fruitless += self._session.under_way
        if self._fruitless > MOST_FRUITLESS:
            raise refusal.error
        self._open(refusal)

    def _open(self, refusal: Refusal | None) -> None:
        """Connect and greet, as often as the policy allows; after `refusal`, not at once."""
        attempts = self._new_attempts()
        with self._opening:
            while True:
                self._check_not_left()
                if refusal is not None:
                    self._sleep(attempts.delay_s(refusal))
                    self._check_not_left()
                try:
                    connection = self._greet(min(attempts.remaining_s, HANDSHAKE_S))
                except OPENING_FAILURES as error:
                    refusal = refused_opening(self._url, error)
                else:
                    self._connection = connection
                    break
        if self._left.is_set():
            # Meanwhile, and so the connection before this one was closed.
            connection.close()
        self._check_not_left()

    def _check_not_left(self) -> None:
        if self._left.is_set():
            raise RequestError(LEFT)

    def _greet(self, within_s: float) -> ClientConnection:
        connection = self._open_connection(within_s)
        try:
            connection.send(self._session.hello())
            welcome = connection.recv(timeout=within_s)
            with self._changed:
                unanswered = self._session.welcome(welcome)
            # Whoever reads finds it closed, and counts it.
            with contextlib.suppress(ConnectionClosed):
                for message in unanswered:
                    connection.send(message)
        except BaseException:
            connection.close()
            raise
        return connection
