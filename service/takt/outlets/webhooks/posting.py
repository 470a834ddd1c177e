"""Posts by HTTP/1.1: one request at a time, over a connection that is kept while it may be."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from takt.core.distribution import version
from takt.outlets.plugin import AwayError
from takt.outlets.webhooks.addresses import Resolve, allowed_addresses, resolve

ANSWERED_WITHIN_S = 10.0
"""Longest time for one attempt, from the name's look-up to the answer's status and headers."""

BODY_WITHIN_S = 1.0
"""Longest time for an answer's body, without which the connection ends."""

MOST_HEAD_BYTES, MOST_BODY_BYTES = 16 * 1024, 64 * 1024
"""Of an answer; the connection is closed at one that has more."""

_MOST_DIGITS: Final = 9
_NO_BODY: Final = frozenset({204, 205, 304})


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post.

    Attributes:
        tls: whether it is HTTPS.
        host: a name or an address, in lower case.
        port: its port.
        path: with the query, as it is sent.
    """

    tls: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver says.

    Attributes:
        status: HTTP status.
        headers: by their names in lower case; of several of a name the last.
    """

    status: int
    headers: Mapping[str, str]


class _BrokenError(Exception):
    """The connection ended before an answer; what was kept may have been closed meanwhile."""


class Poster:
    """Posts to one URL.

    Args:
        target: where to.
        private_hosts: those that may have private addresses.
        find: knows addresses.
        context: checks certificates; None for one of the system's authorities.
    """

    def __init__(
        self,
        target: Target,
        private_hosts: Collection[str],
        find: Resolve = resolve,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._target = target
        self._private_hosts = private_hosts
        self._find = find
        if target.tls and context is None:
            context = ssl.create_default_context()
        self._context = context if target.tls else None
        self._agent = f"takt/{version()}"
        self._kept: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post, and wait for the answer.

        Raises:
            AwayError: there is none.
        """
        name = self._target.authority
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                answer = await self._post(self._request(body, headers))
        except TimeoutError:
            raise AwayError(f"{name} does not answer within {ANSWERED_WITHIN_S:.0f} s") from None
        except _BrokenError as error:
            raise AwayError(f"{name} ends the connection: {error}") from None
        except (OSError, ValueError) as error:
            raise AwayError(f"{name} cannot be reached: {error}") from None
        await self._pass_over_body(answer)
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self._kept is not None:
            _, writer = self._kept
            self._kept = None
            writer.close()

    async def _post(self, request: bytes) -> Answer:
        if self._kept is not None:
            try:
                return await self._ask(request)
            except (_BrokenError, ConnectionError):
                pass  # It was closed while nothing was posted: once more, by a new one.
        self._kept = await self._connect()
        return await self._ask(request)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        target = self._target
        addresses = await allowed_addresses(
            target.host, target.port, self._private_hosts, self._find
        )
        failure: OSError | None = None
        # One that does not answer leaves time for the others, and for the answer.
        each_s = ANSWERED_WITHIN_S / (len(addresses) + 1)
        for address in addresses:
            try:
                async with asyncio.timeout(each_s):
                    return await asyncio.open_connection(
                        address,
                        target.port,
                        limit=MOST_HEAD_BYTES,
                        ssl=self._context,
                        server_hostname=target.host if self._context is not None else None,
                    )
            except OSError as error:
                failure = error
        assert failure is not None
        raise failure

    async def _ask(self, request: bytes) -> Answer:
        assert self._kept is not None
        reader, writer = self._kept
        try:
            writer.write(request)
            await writer.drain()
            answer = await _head(reader)
            while 100 <= answer.status < 200:
                answer = await _head(reader)
        except BaseException:
            self.close()
            raise
        return answer

    async def _pass_over_body(self, answer: Answer) -> None:
        """Read the body, which nobody wants, or end the connection; the message is done with."""
        assert self._kept is not None
        goes_on = False
        try:
            goes_on = await _is_read(self._kept[0], answer)
        finally:
            if not goes_on:
                self.close()

    def _request(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        stated = {
            "Host": self._target.authority,
            "User-Agent": self._agent,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **headers,
        }
        lines = [f"POST {self._target.path} HTTP/1.1", *map(": ".join, stated.items()), "", ""]
        return "\r\n".join(lines).encode("ascii") + body


async def _head(reader: asyncio.StreamReader) -> Answer:
    """The status and headers of an answer.

    Raises:
        _BrokenError: the connection has ended, or says something else than HTTP.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise _BrokenError("no answer" if not error.partial else "half of an answer") from None
    except asyncio.LimitOverrunError:
        raise _BrokenError(f"its headers have more than {MOST_HEAD_BYTES} bytes") from None
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdecimal():
        raise _BrokenError("its answer is no HTTP/1.1")
    named = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in named}
    if words[0] == "HTTP/1.0":
        headers["connection"] = "close"
    return Answer(int(words[1]), headers)


async def _is_read(reader: asyncio.StreamReader, answer: Answer) -> bool:
    """Read the body if it is short and comes; tells whether the connection goes on."""
    length = answer.headers.get("content-length", "")
    if "close" in answer.headers.get("connection", "").lower():
        return False
    if answer.status in _NO_BODY and length in ("", "0"):
        return True
    if "transfer-encoding" in answer.headers or not length.isdecimal():
        return False
    if len(length) > _MOST_DIGITS or int(length) > MOST_BODY_BYTES:
        return False
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):  # a TimeoutError is one
        async with asyncio.timeout(BODY_WITHIN_S):
            await reader.readexactly(int(length))
        return True
    return False
