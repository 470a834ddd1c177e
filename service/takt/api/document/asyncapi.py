"""The AsyncAPI document of streams, made of the schemas of their messages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import orjson
from fastapi import FastAPI, Response
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from takt.api.document.access import SCHEMES
from takt.api.document.openapi import API_VERSION, LICENCE
from takt.api.paths import version_path
from takt.api.schemas import SCHEMA_REFERENCE, reference_to
from takt.api.stream.messages import Hello, PartMessage, ViewMessage
from takt.api.stream.routes import STREAM_PATH
from takt.api.stream.schemas import (
    AnswerOut,
    ByeIn,
    ByeOut,
    DroppedOut,
    EndedOut,
    FrameErrorOut,
    ShownIn,
    StatsIn,
    StatsOut,
    StreamErrorOut,
    WatchedFrameOut,
    WatchingOut,
    WelcomeOut,
)
from takt.api.stream.watching import WATCH_PATH
from takt.core.domain import Json
from takt.streaming.frames import HEADER_BYTES

ASYNCAPI_PATH = "/asyncapi.json"

_JSON, _BYTES = "application/json", "application/octet-stream"
_PARAMETERS = {
    "id": {"description": "The stream's id, as `GET /v1/streams` has it."},
    "name": {"description": "The model's name."},
    "version": {"description": "One version of it; without, the active one."},
}

_DESCRIPTION = """A camera opens one WebSocket, says hello, and sends frames; the answers come in
their order. Text messages are JSON objects with a `type`, binary ones carry pictures. Others may
watch: they are shown the newest frame, once they have said that they have shown the one before."""

_FRAME = f"""A frame: a header of {HEADER_BYTES} bytes, little-endian, then the picture.

| bytes | type | what |
|---|---|---|
| 0-1 | 2 bytes | `TK` |
| 2 | u8 | version of this header: 1 |
| 3 | u8 | pixels: 0 an encoded picture (JPEG, PNG, …), 1 RGB8, 2 BGR8, 3 Mono8 |
| 4-7 | u32 | 0, reserved |
| 8-15 | u64 | sequence number, greater than that of the frame before |
| 16-23 | u64 | when it was captured, µs since 1970 by the client's clock; 0 if unknown |
| 24-27 | u32 | width of raw pixels; 0 for an encoded picture |
| 28-31 | u32 | height of raw pixels; 0 for an encoded picture |"""

_SCHEMES = {"key": SCHEMES["key"], "session": SCHEMES["session"] | {"type": "httpApiKey"}}
"""AsyncAPI has another word for a key in a cookie."""

_HEATMAP = "The heatmap of the answer before: an encoded picture, or a .npy of the float32 map."
_PICTURE = "The picture of the frame before, in a form that browsers show."


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a stream.

    Attributes:
        name: within the document.
        way: `receive` of what a client says, `send` of what the server says.
        kind: its schema; None for bytes.
        text: what it is, where no schema says so.
        shortest: fewest bytes of one without a schema.
    """

    name: str
    way: Literal["receive", "send"]
    kind: type[BaseModel] | None
    text: str = ""
    shortest: int = 1


MESSAGES = (
    Message("hello", "receive", Hello),
    Message("frame", "receive", None, _FRAME, HEADER_BYTES),
    Message("part", "receive", PartMessage),
    Message("view", "receive", ViewMessage),
    Message("ask_stats", "receive", StatsIn),
    Message("end", "receive", ByeIn),
    Message("welcome", "send", WelcomeOut),
    Message("answer", "send", AnswerOut),
    Message("heatmap", "send", None, _HEATMAP),
    Message("frame_error", "send", FrameErrorOut),
    Message("stream_error", "send", StreamErrorOut),
    Message("dropped", "send", DroppedOut),
    Message("stats", "send", StatsOut),
    Message("bye", "send", ByeOut),
)
"""Of whoever streams."""

_WATCHERS = (
    Message("shown", "receive", ShownIn),
    Message("watching", "send", WatchingOut),
    Message("watched_frame", "send", WatchedFrameOut),
    Message("picture", "send", None, _PICTURE),
    Message("ended", "send", EndedOut),
)
_SHARED = ("heatmap", "stream_error")

WATCH_MESSAGES = _WATCHERS + tuple(one for one in MESSAGES if one.name in _SHARED)
"""Of whoever watches."""

_CHANNELS = {
    "stream": (STREAM_PATH, MESSAGES),
    "stream_of_version": (version_path(STREAM_PATH), MESSAGES),
    "watch": (WATCH_PATH, WATCH_MESSAGES),
}


def add_asyncapi(app: FastAPI) -> None:
    """Serve the document beside the OpenAPI document, if the app describes itself."""
    if app.openapi_url is None:
        return
    body = _written()

    @app.get(ASYNCAPI_PATH, include_in_schema=False)
    async def asyncapi() -> Response:
        return Response(body, media_type=_JSON)


@cache
def _written() -> bytes:
    """The document as it is sent; it is the same in every app."""
    return orjson.dumps(asyncapi_document())


def asyncapi_document() -> Json:
    """The document, by AsyncAPI 3.0: messages, and the channels and operations that have them."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Takt streams",
            "version": API_VERSION,
            "description": _DESCRIPTION,
            "license": {"name": LICENCE["name"]},
        },
        "defaultContentType": _JSON,
        "servers": {
            "takt": {
                "host": "{host}",
                "protocol": "ws",
                "description": "The server of this document.",
                "variables": {"host": {"default": "127.0.0.1:8000"}},
                "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _SCHEMES],
            }
        },
        "channels": {name: _channel(*channel) for name, channel in _CHANNELS.items()},
        "operations": {
            f"{way}_{name}": {
                "action": way,
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [
                    {"$ref": f"#/channels/{name}/messages/{message.name}"}
                    for message in messages
                    if message.way == way
                ],
            }
            for name, (_, messages) in _CHANNELS.items()
            for way in ("receive", "send")
        },
        "components": {
            "messages": {message.name: _message(message) for message in MESSAGES + _WATCHERS},
            "schemas": _schemas(),
            "securitySchemes": _SCHEMES,
        },
    }


def _channel(path: str, messages: tuple[Message, ...]) -> Json:
    return {
        "address": path,
        "messages": {
            message.name: {"$ref": f"#/components/messages/{message.name}"} for message in messages
        },
        "parameters": {name: text for name, text in _PARAMETERS.items() if f"{{{name}}}" in path},
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    }


def _message(message: Message) -> Json:
    if message.kind is None:
        payload: Json = {"type": "string", "format": "binary", "minLength": message.shortest}
        return {"contentType": _BYTES, "summary": message.text, "payload": payload}
    summary = _first(message.kind.__doc__ or "")
    return {"contentType": _JSON, "summary": summary, "payload": reference_to(message.kind)}


def _schemas() -> Json:
    kinds = [message.kind for message in MESSAGES + _WATCHERS if message.kind]
    _, found = models_json_schema(
        [(kind, "validation") for kind in kinds], ref_template=SCHEMA_REFERENCE
    )
    schemas: dict[str, Json] = found["$defs"]
    # What follows in a docstring is for readers of the source.
    return {
        name: schema | {"description": _first(schema.get("description", ""))}
        for name, schema in sorted(schemas.items())
    }


def _first(text: str) -> str:
    return text.partition("\n\n")[0]
