"""Who may ask what: every route of every protocol, by the one table."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from takt.parts.composing.needs import ServedRoute, served_routes
from takt.security.caller import SCOPES
from takt.security.routes import ROUTES, WEBSOCKET, RouteNeed
from tests.api.keys import KEYS, WITH_SCOPE, bearer
from tests.api.stream.socket import PATH, Socket

GUARDED = [row for row in ROUTES if row.need != "nothing"]
SCOPED = [row for row in ROUTES if row.need in SCOPES]


def filled(row: RouteNeed) -> str:
    return row.documented.replace("{id}", "7").replace("{name}", "parts").replace("{version}", "1")


def named(row: RouteNeed) -> str:
    return f"{row.method} {row.path}"


def check_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is this problem, in the form of its protocol."""
    assert response.status_code == status
    problem: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["request_id"] == response.headers["x-request-id"]
    assert response.headers["www-authenticate"].startswith('Bearer realm="takt"')
    if response.url.path.startswith("/v2"):
        assert problem["error"] == problem["detail"]
    return problem


async def denial(app: Any, path: str, headers: dict[str, str]) -> httpx.Response:
    """The answer to a handshake that is refused."""
    socket = Socket(app, path, {"host": "takt", **headers})
    start, body = await socket.raw(), await socket.raw()
    await socket.task
    assert start["type"] == "websocket.http.response.start"
    request = httpx.Request("GET", f"http://takt{path}")
    return httpx.Response(
        start["status"], headers=start["headers"], content=body["body"], request=request
    )


async def ask(client: httpx.AsyncClient, row: RouteNeed, headers: dict[str, str]) -> httpx.Response:
    if row.method == WEBSOCKET:
        return await denial(client._transport.app, filled(row), headers)  # type: ignore[attr-defined]
    return await client.request(row.method, filled(row), headers=headers)


async def test_every_route_is_in_the_table_and_no_other(serve) -> None:
    async with serve(keys=KEYS) as client:
        routes = set(served_routes(client._transport.app.routes))

    assert len(routes) > 30
    assert routes == {ServedRoute(row.method, row.path) for row in ROUTES}


async def test_every_route_without_a_key_gets_401(serve, bundle) -> None:
    async with serve(keys=KEYS) as client:
        for row in GUARDED:
            for headers in ({}, {"authorization": "Bearer takt_wrong"}):
                answer = await ask(client, row, headers)
                check_problem(answer, 401, "unauthenticated")
        for path in ("/none", "/metrics/", "/v1/models/parts/inspect/x"):
            check_problem(await client.get(path), 401, "unauthenticated")
    # Nothing changed.
    assert not (bundle.path / "thresholds.json").exists()
    assert not (bundle.path.parent / "active.json").exists()


async def test_every_route_with_a_wrong_scope_gets_403_which_names_the_right_one(
    serve, bundle
) -> None:
    async with serve(keys=KEYS) as client:
        for row in SCOPED:
            for wrong in SCOPES - {row.need}:
                answer = await ask(client, row, bearer(WITH_SCOPE[wrong]))
                problem = check_problem(answer, 403, "insufficient_scope")
                assert f"lacks the scope {row.need}" in problem["detail"]
                assert f'scope="{row.need}"' in answer.headers["www-authenticate"]
    assert not (bundle.path / "thresholds.json").exists()
    assert not (bundle.path.parent / "active.json").exists()


async def test_every_route_with_the_right_scope_is_answered(serve) -> None:
    async with serve(keys=KEYS) as client:
        for row in GUARDED:
            if row.method == WEBSOCKET:
                continue
            name = WITH_SCOPE.get(row.need, "camera")
            answer = await client.request(row.method, filled(row), headers=bearer(name))
            assert answer.status_code not in (401, 403, 405), named(row)


async def test_a_stream_with_the_right_scope_is_accepted(serve) -> None:
    async with serve(keys=KEYS) as client:
        socket = Socket(client._transport.app, PATH, {"host": "takt", **bearer("camera")})
        assert (await socket.raw())["type"] == "websocket.accept"
        socket.close()
        await socket.task


async def test_probes_and_the_documentation_need_no_key(serve) -> None:
    async with serve(keys=KEYS) as client:
        for path in ("/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"):
            assert (await client.get(path)).status_code == 200
        for path in ("/docs", "/openapi.json", "/static-offline-docs/swagger-ui.css"):
            assert (await client.get(path)).status_code == 200
        # Which models there are is nobody's business without a key that reads.
        for headers, count in (({}, 0), (bearer("camera"), 0), (bearer("scraper"), 1)):
            ready = (await client.get("/health/ready", headers=headers)).json()
            assert (ready["ready"], len(ready["models"])) == (True, count)


async def test_the_fast_path_asks_no_less_than_the_route_that_it_stands_for(
    serve, picture_bytes
) -> None:
    """It also answers paths that only the router's odd reading leads to."""
    async with serve(keys=KEYS) as client:
        for path in ("/v1/models/parts/inspect", "/v1/models/parts/versions/1/inspect%0A"):
            picture = picture_bytes()
            refused = await client.post(path, content=picture, headers=bearer("leader"))
            check_problem(refused, 403, "insufficient_scope")
            assert (await client.post(path, content=picture)).status_code == 401
        answer = await client.post(
            "/v1/models/parts/inspect", content=picture_bytes(), headers=bearer("camera")
        )
        assert answer.status_code == 200


async def test_without_keys_nobody_is_asked(serve) -> None:
    async with serve() as client:
        for headers in ({}, {"authorization": "Bearer whatever"}):
            assert (await client.get("/metrics", headers=headers)).status_code == 200


async def test_a_change_is_logged_with_the_name_of_the_key_and_never_the_key(
    serve, caplog: pytest.LogCaptureFixture
) -> None:
    key = bearer("leader")
    async with serve(keys=KEYS) as client:
        with caplog.at_level("INFO"):
            await client.put("/v1/models/parts/threshold", json={"image": 0.9}, headers=key)
            await client.post("/v1/models/parts/versions/1/activate", headers=key)
            metrics = (await client.get("/metrics", headers=key)).text
    audits = [record.takt_facts for record in caplog.records if record.name == "takt.audit"]
    assert [facts["caller"] for facts in audits] == ["leader", "leader"]
    secret = key["authorization"].removeprefix("Bearer ")
    assert secret not in caplog.text + json.dumps(audits, default=str)
    # Names come and go, and a metric's labels must not.
    assert "leader" not in metrics


async def test_refusals_are_counted_by_their_code(serve) -> None:
    async with serve(keys=KEYS) as client:
        for headers in ({}, {}, bearer("camera")):
            await client.get("/metrics", headers=headers)
        metrics = (await client.get("/metrics", headers=bearer("scraper"))).text
        assert 'takt_callers_refused_total{code="unauthenticated"} 2.0' in metrics
        assert 'takt_callers_refused_total{code="insufficient_scope"} 1.0' in metrics
