"""The AsyncAPI document says what a server sends and takes.

Every message that the tests of streams hear is checked as well, by `tests/api/stream/socket.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import WebSocketRoute

from takt.api.document.asyncapi import asyncapi_document
from tests.api.document.operations import resolved
from tests.api.stream.contract import check_sent, names_of
from tests.api.stream.socket import connect

STREAMING = (Path(__file__).parents[3] / "docs/streaming.md").read_text("utf-8")

HELLOS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"policy": "latest", "heatmap": "overlay", "format": "png"}, True),
    ({"threshold": None, "timeout_ms": None, "vote": None, "session": None}, True),
    ({"vote": {"k": 2, "n": 3}, "smoothing": 1}, True),
    ({"last_sequence": 2**64 - 1}, True),
    ({"policy": "some"}, False),
    ({"polcy": "all"}, False),
    ({"threshold": "0.5"}, False),
    ({"timeout_ms": 0}, False),
    ({"timeout_ms": 3_600_001}, False),
    ({"priority": None}, False),
    ({"vote": {"k": 0, "n": 3}}, False),
    ({"vote": {"k": 1, "n": 1001}}, False),
    ({"vote": {"k": 1, "n": 0}}, False),
    ({"vote": {"k": 1, "n": 2, "of": 3}}, False),
    ({"smoothing": 0}, False),
    ({"smoothing": 1.5}, False),
    ({"session": "x" * 65}, False),
    ({"last_sequence": -1}, False),
    ({"last_sequence": 2**64}, False),
    ({"last_sequence": 1.5}, False),
]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "$ref")
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


async def test_it_is_served_beside_the_openapi_document(serve) -> None:
    async with serve() as client:
        answer = await client.get("/asyncapi.json")
        assert answer.json() == asyncapi_document()
        openapi = (await client.get("/openapi.json")).json()
        assert answer.json()["info"]["version"] == openapi["info"]["version"]
    async with serve(docs=False) as client:
        assert (await client.get("/asyncapi.json")).status_code == 404


def test_no_reference_leads_nowhere_and_no_schema_is_unused() -> None:
    document = asyncapi_document()
    used = set(references(document))

    for reference in used:
        assert resolved({"$ref": reference}, document), reference
    names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert names <= used


async def test_its_channels_are_the_streams_of_the_server(serve) -> None:
    document = asyncapi_document()
    async with serve() as client:
        routes = [
            context.path
            for router in client._transport.app.routes
            for context in getattr(getattr(router, "original_router", None), "routes", [router])
            if isinstance(context, WebSocketRoute) or type(context).__name__ == "APIWebSocketRoute"
        ]
    channels = document["channels"].values()

    assert sorted(one["address"] for one in channels) == sorted(routes)
    for one in channels:
        assert set(one["parameters"]) == set(re.findall(r"\{(\w+)\}", one["address"]))


async def test_a_hello_is_refused_by_its_schema_where_the_server_refuses_it(serve) -> None:
    async with serve(stream_sessions=64) as client:
        for fields, good in HELLOS:
            async with connect(client) as socket:
                heard = await socket.hello(**fields)
            said = {"type": "hello", **fields}
            assert names_of(said, "receive") == (["hello"] if good else []), fields
            assert heard["type"] == ("welcome" if good else "error"), fields


async def test_a_server_sends_each_of_its_messages_as_documented(
    serve, engines, picture_bytes, bad_part
) -> None:
    heard = []
    async with serve() as client:
        async with connect(client) as socket:
            wishes = {"heatmap": "overlay", "vote": {"k": 1, "n": 2}, "smoothing": 0.5}
            heard.append(await socket.hello(**wishes))
            socket.frame(0, bad_part)
            heard.append(await socket.hear())
            assert len((await socket.raw())["bytes"]) == heard[-1]["heatmap"]["bytes"]
            socket.frame(1, b"no picture")
            heard.append(await socket.hear())
            socket.say("stats")
            heard.append(await socket.hear())
            socket.say("bye")
            heard += (await socket.until_closed())[0]
        async with connect(client) as socket:
            heard.append(await socket.hello(policy="latest"))
            engines[0].gate.clear()
            for sequence in range(4):
                socket.frame(sequence, picture_bytes())
            heard.append(await socket.hear())
            engines[0].gate.set()
            heard += [await socket.hear() for _ in range(3)]
            socket.text("[]")
            heard += (await socket.until_closed())[0]

    found = [names_of(message, "send") for message in heard]
    assert {name for (name,) in found} == {
        *("welcome", "answer", "frame_error", "stream_error", "dropped", "stats", "bye")
    }
    for message in heard:
        check_sent(message)
        assert names_of(message | {"more": 1}, "send") == [] or message["type"] in ("stats", "bye")


def test_the_messages_of_the_guide_are_those_of_the_document() -> None:
    objects = [
        json.loads(one)
        for one in re.findall(r"^    (\{.*?\})$", STREAMING, re.M | re.S)
        if "…" not in one.replace('"…"', "")
    ]
    texts = [one for one in objects if "type" in one]

    assert {one["type"] for one in texts} >= {"hello", "welcome", "error"}
    for one in texts:
        assert names_of(one, "receive") + names_of(one, "send"), one


def test_the_check_finds_what_is_not_documented() -> None:
    with pytest.raises(AssertionError):
        check_sent({"type": "welcome"})
    with pytest.raises(AssertionError):
        check_sent({"type": "dropped", "sequence": 1, "dropped": 1, "why": "late"})
    assert not names_of({"type": "stat"}, "receive")
