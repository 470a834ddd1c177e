"""A call by gRPC, and the edge that every call passes: who asks, under which id, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import grpc

from takt.api.problems import CALLER_KEY, REQUEST_ID_KEY, request_id_of, share_of
from takt.api.request_context import RequestIds, id_and_length
from takt.api.rpc.backend import RpcBackend
from takt.api.rpc.status import detail_of, metadata_of, status_of
from takt.core.batching.uploads import GRACE_S, Uploads
from takt.core.errors import (
    ClientGoneError,
    DeadlineExceededError,
    ImageTooLargeError,
    InvalidParameterError,
    RequestError,
)
from takt.core.problem import problem_of
from takt.observing.tracing.base import Trace, use_trace
from takt.security.routes import GRPC

_MOST_SMALL_BYTES = 1 << 16
"""Longest message of a call that brings no picture."""

_SMALL_PLACES = 128
"""Calls at the same time whose small message is not there yet; of one more, the one that has waited
longest makes room. Strangers may make some of these calls, and probes must get through."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose caller is known.

    Attributes:
        scope: who asks for what, in the form of a request's ASGI scope, for whatever reads that.
        context: gRPC's.
        limit_s: longest time in which the message may come.
        max_bytes: largest message.
        small: places of calls that bring no picture.
    """

    scope: dict[str, Any]
    context: Any
    limit_s: float
    max_bytes: int
    small: Uploads

    @property
    def request_id(self) -> str:
        """The caller's, or one of ours."""
        return request_id_of(self.scope)

    @property
    def left_s(self) -> float:
        """Seconds until the deadline that the caller set for the call; infinite without one."""
        left_s: float | None = self.context.time_remaining()
        return math.inf if left_s is None else left_s

    async def read(self) -> bytes:
        """The message, once it is there.

        Raises:
            DeadlineExceededError: it is not there in time.
            ImageTooLargeError: it has too many bytes.
            ClientGoneError: there is none, as the call has ended; gRPC itself ends a call whose
                message is far too large, before that comes.
        """
        try:
            async with asyncio.timeout(self.limit_s):
                message = await self.context.read()
        except TimeoutError:
            raise DeadlineExceededError(
                f"the message was not there within {self.limit_s * 1000:.0f} ms; send less at once"
            ) from None
        if not isinstance(message, bytes):
            raise self.ended()
        if len(message) > self.max_bytes:
            raise ImageTooLargeError(
                f"the message exceeds {self.max_bytes} bytes; send a smaller picture, or raise "
                "max_image_bytes"
            )
        return message

    async def read_small(self) -> bytes:
        """The message of a call that brings no picture.

        Raises:
            TaktError: as `read` does.
        """
        with self.small.begin(share_of(self.scope), in_parts=False):
            message = await self.read()
        if len(message) > _MOST_SMALL_BYTES:
            raise RequestError(
                f"the message has more than {_MOST_SMALL_BYTES} bytes; send it empty"
            )
        return message

    def ended(self) -> DeadlineExceededError | ClientGoneError:
        """Why the call was ended from outside."""
        if self.left_s <= 0:
            return DeadlineExceededError("the call's deadline passed before the answer was there")
        return ClientGoneError("the call ended before the answer was there")


Answer = Callable[[Call], Awaitable[bytes]]
"""Reads a call's message, and gives the answer's."""


class Edge:
    """Admits callers, gives calls an id, counts them, and turns errors into statuses.

    It calls for each message itself: gRPC's own handlers of single messages would have it read
    before anybody is asked who sends it.

    Args:
        backend: what answers.
        max_bytes: largest message.
    """

    def __init__(self, backend: RpcBackend, max_bytes: int) -> None:
        self._backend = backend
        self._max_bytes = max_bytes
        self._ids = RequestIds()
        self._limit_s = backend.limits.timeout_ms / 1000
        self._small = Uploads(_SMALL_PLACES, GRACE_S)

    def handler(self, procedure: str, answer: Answer | None) -> Any:
        """The handler of a procedure, as gRPC takes it.

        Args:
            procedure: path of service and procedure.
            answer: answers a call; None for a procedure that is not served.
        """

        async def handle(_: object, context: Any) -> bytes:
            return await self._handle(procedure, answer, context)

        # A single message goes over the wire as a stream of one.
        return grpc.stream_unary_rpc_method_handler(handle)

    async def _handle(self, procedure: str, answer: Answer | None, context: Any) -> bytes:
        headers = [(name.encode(), _bytes(value)) for name, value in context.invocation_metadata()]
        request_id = id_and_length(headers)[0] or self._ids.new()
        scope: dict[str, Any] = {
            "type": "grpc",
            "method": GRPC,
            "path": procedure,
            "headers": headers,
            "client": address_of(context.peer()),
            REQUEST_ID_KEY: request_id.decode(),
        }
        told = [("x-request-id", scope[REQUEST_ID_KEY])]
        self._backend.metrics.in_flight += 1
        try:
            with self._traced(scope, told) as trace:
                try:
                    _check_ascii(context.invocation_metadata())
                    scope[CALLER_KEY] = await self._backend.guard.admit(scope)
                    if answer is not None:
                        message = await answer(
                            Call(scope, context, self._limit_s, self._max_bytes, self._small)
                        )
                        context.set_trailing_metadata(tuple(told))
                        return message
                except Exception as error:
                    problem = problem_of(error, scope[REQUEST_ID_KEY])
                    if trace is not None:
                        trace.failed(problem.code, problem.status)
                    told += metadata_of(problem)
                    code, detail = status_of(problem), detail_of(problem)
                else:
                    code = grpc.StatusCode.UNIMPLEMENTED
                    detail = f"{procedure} is not served; docs/oip.md of Takt lists what is"
            await context.abort(code, detail, tuple(told))
            raise AssertionError("abort raises")
        finally:
            self._backend.metrics.in_flight -= 1

    @contextlib.contextmanager
    def _traced(self, scope: dict[str, Any], told: list[tuple[str, str]]) -> Iterator[Trace | None]:
        tracing = self._backend.tracing
        trace = tracing.request(scope) if tracing is not None else None
        if trace is None:
            yield None
            return
        name, value = trace.header
        told.append((name.decode(), value.decode()))
        try:
            with use_trace(trace):
                yield trace
        finally:
            trace.end(request_id_of(scope))


def address_of(peer: str) -> tuple[str, int] | None:
    """Address and port of who calls, as gRPC writes them; None where it is no network's.

    >>> address_of("ipv4:10.0.0.7:51234"), address_of("ipv6:%5B2001:db8::7%5D:51234")
    (('10.0.0.7', 51234), ('2001:db8::7', 51234))
    """
    kind, _, place = unquote(peer).partition(":")
    host, _, port = place.rpartition(":")
    if kind not in ("ipv4", "ipv6") or not port.isdecimal():
        return None
    return host.strip("[]"), int(port)


def _check_ascii(metadata: Iterable[tuple[str, str | bytes]]) -> None:
    """Refuse texts that are not ASCII: gRPC reads their bytes by one encoding or another.

    Raises:
        InvalidParameterError: says which one it is.
    """
    for name, value in metadata:
        if isinstance(value, str) and not value.isascii():
            raise InvalidParameterError(
                f"the metadata {name} is not ASCII, as that of gRPC has to be; send other texts by "
                "REST, in UTF-8"
            )


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
