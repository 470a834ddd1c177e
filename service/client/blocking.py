"""The client for programs without asyncio."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx
from websockets.sync.client import ClientConnection, connect

from service.client.answers import Inspected, Model, Readiness
from service.client.blocking_stream import Stream
from service.client.calls import (
    Call,
    InspectChoices,
    checked_server,
    inspect_call,
    model_call,
    models_call,
    ready_call,
    stream_url,
)
from service.client.failures import overdue, unreachable
from service.client.pictures import Picture, encoded
from service.client.propagation import trace_headers
from service.client.retry import Attempts, Clock, RetryPolicy
from service.client.session import StreamChoices, StreamSession
from service.streaming.frames import MAX_MESSAGE_BYTES

T = TypeVar("T")


class TaktClient:
    """A Takt server; use it with `with`. Threads may share it.

    All methods raise errors of `service.errors`: those of the server by their code, and
    UnreachableError and UnreadableAnswerError for what is wrong on the way.

    Args:
        url: of the server, http://HOST:PORT.
        retry: how long a call goes on trying.
        headers: sent with every request, say for a proxy that asks for a token.
        tls: for https, where the system's certificates do not suffice.
        transport: instead of a network.
        clock: time and chance.
        sleep: waits, instead of the system.
    """

    def __init__(
        self,
        url: str,
        *,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._url = checked_server(url)
        self._retry = retry or RetryPolicy()
        self._headers = dict(headers or {})
        self._tls = tls
        self._clock = clock or Clock()
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=self._url, headers=self._headers, verify=tls or True, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; streams are closed by their own `with`."""
        self._http.close()

    def inspect(
        self,
        model: str,
        picture: Picture,
        *,
        version: str | None = None,
        **choices: Unpack[InspectChoices],
    ) -> Inspected:
        """Inspect a picture.

        Args:
            model: its name.
            picture: encoded, the path of such a file, or RGB uint8 [height, width, 3].
            version: of the model; else the active one.
            **choices: see `InspectChoices`; without `timeout_ms` the server is told how long this
                call still waits.
        """
        return self._run(inspect_call(model, version, encoded(picture), choices))

    def models(self) -> tuple[Model, ...]:
        """Every model of the server."""
        return self._run(models_call())

    def model(self, name: str) -> Model:
        """One model and its versions."""
        return self._run(model_call(name))

    def ready(self) -> Readiness:
        """Whether every model answers; one that does not is an answer and no error."""
        return self._run(ready_call())

    def stream(
        self, model: str, *, version: str | None = None, **choices: Unpack[StreamChoices]
    ) -> Stream:
        """A stream of frames, to be used with `with`.

        Args:
            model: its name.
            version: of the model; else the active one.
            **choices: see `StreamChoices`.
        """
        url = stream_url(self._url, model, version)
        headers = self._headers | trace_headers()

        def open_connection(within_s: float) -> ClientConnection:
            return connect(
                url,
                additional_headers=headers,
                compression=None,
                open_timeout=within_s,
                max_size=MAX_MESSAGE_BYTES,
                ssl=self._tls,
            ).__enter__()

        return Stream(
            url,
            StreamSession(choices),
            open_connection,
            lambda: Attempts(self._retry, self._clock),
            self._sleep,
        )

    def _run(self, call: Call[T]) -> T:
        attempts = Attempts(self._retry, self._clock)
        while True:
            try:
                response = self._respond(call, attempts)
            except httpx.ReadTimeout as error:
                refusal = overdue(self._url, error)
            except httpx.TransportError as error:
                refusal = unreachable(self._url, error)
            else:
                refused = call.refusal(response)
                if refused is None:
                    return call.read(response.content)
                refusal = refused
            (self._sleep or time.sleep)(attempts.delay_s(refusal))

    def _respond(self, call: Call[T], attempts: Attempts) -> httpx.Response:
        """The whole response; httpx bounds each step by itself, and not all of them together."""
        request = call.request(self._http, attempts.remaining_s)
        response = self._http.send(request, stream=True)
        assert isinstance(response.stream, httpx.SyncByteStream)
        try:
            response.stream = _Timed(response.stream, attempts)
            response.read()
        finally:
            response.close()
        return response


class _Timed(httpx.SyncByteStream):
    """A response's body, for as long as the call may wait."""

    def __init__(self, body: httpx.SyncByteStream, attempts: Attempts) -> None:
        self._body = body
        self._attempts = attempts

    def __iter__(self) -> Iterator[bytes]:
        for part in self._body:
            if self._attempts.over:
                raise httpx.ReadTimeout("the deadline passed while the answer came")
            yield part

    def close(self) -> None:
        self._body.close()
