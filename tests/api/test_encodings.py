"""Text that is not UTF-8 is refused by every route, so that no two ids become one."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.api.conftest import Serve
from tests.api.stream.socket import PATH, Socket
from tests.api.test_gate import routes
from tests.api.test_metrics_port import beside

pytestmark = pytest.mark.anyio

TWO_IDS = ("%C5-18", "%D7-18")
"""Both are U+FFFD and -18 for whoever replaces what cannot be decoded."""


def refused(answer: httpx.Response) -> str:
    """The detail of a refusal for its encoding."""
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
    assert "UTF-8" in answer.json()["detail"]
    detail: str = answer.json()["detail"]
    return detail


async def test_every_route_refuses_a_path_and_a_query_that_are_not_utf_8(serve: Serve) -> None:
    async with serve() as client:
        found = list(routes(client._transport.app.routes))
        assert len(found) > 25
        for method, path in [*found, ("GET", "/none"), ("GET", "/docs/"), ("BREW", "/docs")]:
            for target in (f"{path.rstrip('/')}/{TWO_IDS[0]}", f"{path}?reason={TWO_IDS[0]}"):
                answer = await client.request(method, target)
                assert answer.status_code == 422, (method, target)
                if method != "HEAD":
                    assert "percent" in refused(answer)


@pytest.mark.parametrize("two", TWO_IDS)
async def test_ids_that_are_not_utf_8_are_not_views_of_one_part(
    serve: Serve, picture_bytes: Any, two: str
) -> None:
    async with serve() as client:
        path = f"/v1/parts/{two}/views/a?recipe=screw"
        assert "path" in refused(await client.post(path, content=picture_bytes()))


@pytest.mark.parametrize(
    "name", ["x-takt-part", "x-takt-tags", "x-request-id", "traceparent", "authorization", "host"]
)
async def test_a_header_that_is_not_utf_8_is_refused_by_its_name(
    serve: Serve, picture_bytes: Any, name: str
) -> None:
    async with serve() as client:
        for method, path in (("POST", "/v1/models/parts/inspect"), ("GET", "/v1/models")):
            request = client.build_request(method, path, content=picture_bytes())
            request.headers = httpx.Headers(
                [*((n, v) for n, v in request.headers.raw if n.lower() != name.encode()),
                 (name.encode(), b"A-\xc5")]
            )  # fmt: skip
            assert name in refused(await client.send(request)).lower()


@pytest.mark.parametrize("name", ["User-Agent", "Referer", "Cookie"])
async def test_what_programs_say_beside_a_request_may_be_latin_1(serve: Serve, name: str) -> None:
    async with serve() as client:
        answer = await client.get("/v1/models", headers=[(name.encode(), b"Pr\xfcfer/2")])
        assert answer.status_code == 200


async def test_umlauts_and_other_scripts_in_utf_8_are_taken(
    serve: Serve, picture_bytes: Any
) -> None:
    async with serve() as client:
        answer = await client.post(
            "/v1/models/parts/inspect?station=Pr%C3%BCfstand",
            content=picture_bytes(),
            headers=[(b"X-Takt-Part", "零件-7".encode())],
        )
        assert answer.status_code in (200, 422) and "UTF-8" not in answer.text
        # What stands for unreadable text may itself be written.
        assert (await client.get("/v1/parts/%EF%BF%BD-18")).status_code == 404


@pytest.mark.parametrize(
    "differs",
    [
        {"path": "/v1/models/\ufffd/stream", "raw_path": b"/v1/models/%C5/stream"},
        {"query_string": b"station=%C5"},
        {"headers": [(b"host", b"takt"), (b"x-takt-station", b"\xc5")]},
    ],
    ids=["path", "query", "header"],
)
async def test_a_websocket_is_refused_before_it_is_one(
    serve: Serve, differs: dict[str, Any]
) -> None:
    async with serve() as client:
        app = client._transport.app

        async def other(scope: Any, receive: Any, send: Any) -> None:
            await app(scope | differs, receive, send)

        socket = Socket(other, PATH, {"host": "takt"})
        start, body = await socket.raw(), await socket.raw()
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 422)
        assert "UTF-8" in json.loads(body["body"])["detail"]
        await socket.task


async def test_the_port_of_metrics_refuses_it_as_well(serve: Serve) -> None:
    async with serve(metrics_port=0) as client, beside(client) as other:
        for path in ("/metrics?name=%C5", "/%C5"):
            refused(await other.get(path))
