"""The client for asyncio programs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self, Unpack

import httpx

from takt_client.calls import Calls
from takt_client.connection import ClientOptions
from takt_client.pictures import ColorOrder, Picture, PixelArray, encoded
from takt_client.retry import Attempts
from takt_client.session import StreamChoices
from takt_client.stream import AsyncTaktStream


class AsyncTaktClient(Calls):
    """A Takt server, for an asyncio program; use it with `async with`.

    All methods raise errors of `takt_client.errors`: those of the server by their code, and
    UnreachableError and UnreadableAnswerError for what is wrong on the way.

    >>> server = httpx.MockTransport(lambda request: httpx.Response(200, json={"models": []}))
    >>> async def main():
    ...     async with AsyncTaktClient("http://takt", transport=server) as client:
    ...         return await client.models()
    >>> asyncio.run(main())
    ()

    Args:
        url: of the server, http://HOST:PORT.
        transport: instead of a network.
        sleep: waits, instead of the event loop.
        **options: see `ClientOptions`.
    """

    http: httpx.AsyncClient

    def __init__(
        self,
        url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(url, options)
        self.http = httpx.AsyncClient(**self._http_options, transport=transport)
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; streams are closed by their own `async with`."""
        await self.http.aclose()

    def stream(
        self, model: str, *, version: str | None = None, **choices: Unpack[StreamChoices]
    ) -> AsyncTaktStream:
        """A stream of frames, to be used with `async with`.

        Args:
            model: its name.
            version: of the model; else the active one.
            **choices: see `StreamChoices`.
        """
        return self._stream(model, version, choices, self._sleep)

    async def _send(self, request: httpx.Request, attempts: Attempts) -> httpx.Response:
        # httpx bounds each step by itself, and not all of them together.
        async with asyncio.timeout(attempts.remaining_s):
            return await self.http.send(request)

    async def _wait(self, delay_s: float) -> None:
        await (self._sleep or asyncio.sleep)(delay_s)

    async def _encoded(self, picture: Picture | PixelArray, color: ColorOrder | None) -> bytes:
        if isinstance(picture, bytes):
            return encoded(picture, color)
        # A disk, or a copy of many bytes: the event loop must not wait for them.
        return await asyncio.to_thread(encoded, picture, color)
