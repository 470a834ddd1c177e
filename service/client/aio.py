"""The client for asyncio programs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx
from websockets.asyncio.client import ClientConnection, connect

from service.client.aio_stream import AsyncStream
from service.client.answers import Inspected, Model, Readiness
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


class AsyncTaktClient:
    """A Takt server, for an asyncio program; use it with `async with`.

    All methods raise errors of `service.errors`: those of the server by their code, and
    UnreachableError and UnreadableAnswerError for what is wrong on the way.

    Args:
        url: of the server, http://HOST:PORT.
        retry: how long a call goes on trying.
        headers: sent with every request, say for a proxy that asks for a token.
        tls: for https, where the system's certificates do not suffice.
        transport: instead of a network.
        clock: time and chance.
        sleep: waits, instead of the event loop.
    """

    def __init__(
        self,
        url: str,
        *,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        self._url = checked_server(url)
        self._retry = retry or RetryPolicy()
        self._headers = dict(headers or {})
        self._tls = tls
        self._clock = clock or Clock()
        self._sleep = sleep
        self._http = httpx.AsyncClient(
            base_url=self._url, headers=self._headers, verify=tls or True, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; streams are closed by their own `async with`."""
        await self._http.aclose()

    async def inspect(
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
        data = await asyncio.to_thread(encoded, picture) if _slow(picture) else encoded(picture)
        return await self._run(inspect_call(model, version, data, choices))

    async def models(self) -> tuple[Model, ...]:
        """Every model of the server."""
        return await self._run(models_call())

    async def model(self, name: str) -> Model:
        """One model and its versions."""
        return await self._run(model_call(name))

    async def ready(self) -> Readiness:
        """Whether every model answers; one that does not is an answer and no error."""
        return await self._run(ready_call())

    def stream(
        self, model: str, *, version: str | None = None, **choices: Unpack[StreamChoices]
    ) -> AsyncStream:
        """A stream of frames, to be used with `async with`.

        Args:
            model: its name.
            version: of the model; else the active one.
            **choices: see `StreamChoices`.
        """
        url = stream_url(self._url, model, version)
        headers = self._headers | trace_headers()

        async def open_connection(within_s: float) -> ClientConnection:
            return await connect(
                url,
                additional_headers=headers,
                compression=None,
                open_timeout=within_s,
                max_size=MAX_MESSAGE_BYTES,
                ssl=self._tls or url.startswith("wss:") or None,
            )

        return AsyncStream(
            url,
            StreamSession(choices),
            open_connection,
            lambda: Attempts(self._retry, self._clock),
            self._sleep,
        )

    async def _run(self, call: Call[T]) -> T:
        attempts = Attempts(self._retry, self._clock)
        while True:
            try:
                request = call.request(self._http, attempts.remaining_s)
                # httpx bounds each step by itself, and not all of them together.
                async with asyncio.timeout(attempts.remaining_s):
                    response = await self._http.send(request)
            except (httpx.ReadTimeout, TimeoutError) as error:
                refusal = overdue(self._url, error)
            except httpx.TransportError as error:
                refusal = unreachable(self._url, error)
            else:
                refused = call.refusal(response)
                if refused is None:
                    return call.read(response.content)
                refusal = refused
            await (self._sleep or asyncio.sleep)(attempts.delay_s(refusal))


def _slow(picture: Picture) -> bool:
    """Whether it takes a disk or a copy of many bytes, which an event loop must not wait for."""
    return not isinstance(picture, bytes)
