"""JSON bodies: small ones of requests that change something, and those of answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from takt.api.schemas import reference_to
from takt.core.errors import ClientGoneError, InvalidParameterError, SlowRequestError
from takt.core.problem import validation_message

MAX_BODY_BYTES = 16 * 1024
"""Longest body: far more than a reason needs, and read at once."""
BODY_WITHIN_S = 10.0
"""Longest wait for a whole body."""

Body = TypeVar("Body", bound=BaseModel)


class JsonAnswer(Response):
    """An answer in JSON; starlette takes four times as long for its headers.

    >>> JsonAnswer(b"{}", 429, [("Retry-After", "1")]).headers["retry-after"]
    '1'

    Args:
        body: the JSON.
        status: of the answer.
        headers: beside those of the body.
        media_type: of the body.
    """

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        headers: Iterable[tuple[str, str]] = (),
        media_type: bytes = b"application/json",
    ) -> None:
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = [
            *[(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            (b"content-length", b"%d" % len(body)),
            (b"content-type", media_type),
        ]


def described_body(kind: type[BaseModel], *, required: bool) -> dict[str, Any]:
    """A route's `openapi_extra` for a body that `read_json` reads."""
    content = {"application/json": {"schema": reference_to(kind)}}
    return {"requestBody": {"required": required, "content": content}}


async def read_json(request: Request, kind: type[Body], most_bytes: int = MAX_BODY_BYTES) -> Body:
    """Read and check a body; an empty one stands for the defaults.

    FastAPI's own reading has no bound on the length.

    Args:
        request: whose body it is.
        kind: what it says.
        most_bytes: longest body.

    Raises:
        InvalidParameterError: the body is no such JSON, or too long.
        SlowRequestError: the body did not come in time.
        ClientGoneError: the client disconnected before the end.
    """
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            body = await _bounded_body(request, kind, most_bytes)
    except TimeoutError:
        raise SlowRequestError(
            f"the body did not come whole within {BODY_WITHIN_S:.0f} s; send it at once"
        ) from None
    try:
        return kind.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise InvalidParameterError(validation_message(error, "the body")) from None


async def _bounded_body(request: Request, kind: type[BaseModel], most_bytes: int) -> bytes:
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most_bytes:
                names = ", ".join(kind.model_fields)
                raise InvalidParameterError(
                    f"the body exceeds {most_bytes} bytes; send {names} only"
                )
    except ClientDisconnect:
        raise ClientGoneError("the caller hung up before the body was there") from None
    return body
