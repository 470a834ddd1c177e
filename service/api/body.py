"""Small JSON bodies of requests that change something."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from service.errors import ClientGoneError, InvalidParameterError, validation_message

MAX_BODY_BYTES = 16 * 1024
"""Far above what a reason may take, and too little to keep the server busy."""

Asked = TypeVar("Asked", bound=BaseModel)


async def read_json(request: Request, kind: type[Asked]) -> Asked:
    """The body, checked; an empty one says nothing but the defaults.

    Not by FastAPI, which would read and parse any length of it.

    Raises:
        InvalidParameterError: it is no such JSON, or too long.
        ClientGoneError: it did not come to its end.
    """
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                names = ", ".join(kind.model_fields)
                raise InvalidParameterError(
                    f"the body exceeds {MAX_BODY_BYTES} bytes; send {names} only"
                )
    except ClientDisconnect:
        raise ClientGoneError("the caller hung up before the body was there") from None
    try:
        return kind.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise InvalidParameterError(validation_message(error, "the body")) from None
