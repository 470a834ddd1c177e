"""Hosts, origins and headers, as a browser's page meets them at the app."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from takt.core.bundles.bundle import Bundle
from takt.parts.composing.assembly import foundation_of
from takt.security.gate import SAFE_METHODS
from tests.api.stream.socket import PATH, Socket

EVIL = "https://evil.example"
EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


def routes(found: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    """(method, path) of every route, also of those that routers brought."""
    for route in found:
        if isinstance(route, APIRoute):
            path = route.path.replace("{name}", "parts").replace("{version}", "1")
            yield from ((method, path) for method in sorted(route.methods))
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner.routes)


async def test_every_route_that_is_not_mere_reading_refuses_a_foreign_page(serve) -> None:
    async with serve() as client:
        found = list(routes(client._transport.app.routes))
        changing = [(m, path) for m, path in found if m not in SAFE_METHODS]
        assert {"POST", "PUT", "DELETE"} == {method for method, _ in changing}
        assert len(changing) >= 11
        for method, path in changing:
            for page in ({"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
                refused = await client.request(method, path, headers=page)
                assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), path
                assert refused.headers["content-type"] == "application/problem+json"


async def test_every_route_refuses_a_foreign_name_before_anything_else(
    serve, bundle: Bundle
) -> None:
    """As after DNS rebinding: the page is of the same origin as the name that it asks for."""

    rebound = {"Host": "evil.example", "Origin": "http://evil.example"}
    async with serve() as client:
        found = list(routes(client._transport.app.routes))
        assert len(found) > 25
        for method, path in [*found, ("GET", "/none"), ("GET", "/docs/"), ("BREW", "/docs")]:
            refused = await client.request(method, path, headers=rebound)
            assert refused.status_code == 421, path
            if method != "HEAD":
                problem = refused.json()
                assert problem["code"] == "misdirected_request"
                assert "allowed_hosts" in problem["detail"]
                assert problem["request_id"] == refused.headers["x-request-id"]
        # Nothing changed.
        assert not (bundle.path / "thresholds.json").exists()
        assert not (bundle.path.parent / "active.json").exists()


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"host": "evil.example", "origin": "http://evil.example"}, 421, "misdirected_request"),
        ({"host": "takt", "x-forwarded-host": "evil.example"}, 421, "misdirected_request"),
        ({"host": "a b"}, 400, "bad_request"),
        ({"host": "takt", "origin": EVIL}, 403, "forbidden"),
    ],
)
async def test_a_websocket_is_refused_before_it_is_one(
    serve, headers: dict[str, str], status: int, code: str
) -> None:
    async with serve() as client:
        app = client._transport.app
        for path in (PATH, "/none"):
            socket = Socket(app, path, headers)
            start, body = await socket.raw(), await socket.raw()
            assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
            assert json.loads(body["body"])["code"] == code
            assert (b"x-content-type-options", b"nosniff") in start["headers"]
            await socket.task


@pytest.mark.parametrize("host", ["10.0.0.7:8000", "[::1]:8000", "localhost:8000", "127.0.0.1"])
async def test_addresses_and_localhost_need_no_setting(serve, picture_bytes, host: str) -> None:
    async with serve() as client:
        named = {"Host": host, "Origin": f"http://{host}"}
        answer = await client.post(
            "/v1/models/parts/inspect", content=picture_bytes(), headers=named
        )
        assert answer.status_code == 200


async def test_a_host_that_is_missing_or_malformed_gets_a_problem(serve) -> None:
    async with serve() as client:
        refused = await client.get("/health/live", headers={"Host": "a b"})
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")


async def headers_of(client: httpx.AsyncClient, method: str, path: str) -> httpx.Headers:
    return (await client.request(method, path)).headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/health/live"), ("GET", "/v1/models"), ("GET", "/metrics"), ("GET", "/none")),
        *(("POST", "/v1/models/parts/inspect"), ("POST", "/v2/models/parts/infer"), ("GET", "/")),
        *(("PUT", "/health/live"), ("GET", "/openapi.json"), ("HEAD", "/health/ready")),
    ],
)
async def test_every_answer_of_data_has_the_headers_that_trust_it_least(
    serve, method: str, path: str
) -> None:
    async with serve() as client:
        headers = await headers_of(client, method, path)
        assert EVERYWHERE.items() <= dict(headers).items()
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["cache-control"] == "no-store"


async def test_an_answer_to_an_allowed_page_is_not_hidden_from_it(serve) -> None:
    async with serve(allowed_origins="https://hmi.example") as client:
        page = {"Origin": "https://hmi.example", "Sec-Fetch-Site": "cross-site"}
        answer = await client.delete("/v1/models/parts/threshold", headers=page)
        assert answer.status_code == 200
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


async def test_an_unforeseen_error_has_them_too(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve() as client:
        repository = foundation_of(client._transport.app).models.repository
        monkeypatch.setattr(type(repository), "names", property(lambda _: 1 / 0))
        answer = await client.get("/v1/models")
        assert answer.status_code == 500
        assert EVERYWHERE.items() <= dict(answer.headers).items()


async def test_the_documentation_runs_its_own_scripts_alone(serve) -> None:
    async with serve() as client:
        page = await client.get("/docs")
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self' 'sha256-")
        assert "unsafe" not in policy.partition("script-src")[2].partition(";")[0]
        assert EVERYWHERE.items() <= dict(page.headers).items()
        script = await client.get("/static-offline-docs/swagger-ui-bundle.js")
        assert script.status_code == 200
        assert "no-store" not in script.headers.get("cache-control", "")


async def test_the_documentation_can_be_switched_off(serve) -> None:
    async with serve(docs=False) as client:
        for path in (
            "/docs",
            "/openapi.json",
            "/asyncapi.json",
            "/static-offline-docs/swagger-ui.css",
        ):
            missing = await client.get(path)
            assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
            assert "/docs" not in missing.json()["detail"]
        assert (await client.get("/v1/models")).status_code == 200


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", "/console/"),
        ("/docs/", "/docs"),
        ("/v1/models/", "/v1/models"),
        ("/v1/models/parts/?x=1&y=%2F", "/v1/models/parts?x=1&y=%2F"),
    ],
)
async def test_a_redirect_names_no_host(serve, path: str, target: str) -> None:
    async with serve() as client:
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (307, target)


@pytest.mark.parametrize("path", ["//evil.example/", "/none/", "//", "/v1/models/parts/none/"])
async def test_a_path_that_leads_nowhere_is_not_redirected(serve, path: str) -> None:
    async with serve() as client:
        answer = await client.request("GET", f"http://takt{path}")
        assert answer.status_code == 404
        assert "location" not in answer.headers
