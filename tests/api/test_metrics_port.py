"""Metrics on a port of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from takt.parts.composing.assembly import foundation_of
from takt.parts.health import metrics_app_of
from tests.api.conftest import Serve

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def beside(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the other port."""
    app = client._transport.app  # type: ignore[attr-defined]
    transport = httpx.ASGITransport(metrics_app_of(foundation_of(app)), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://takt") as other:
        yield other


async def test_the_metrics_are_there_and_on_the_main_port_no_more(serve: Serve) -> None:
    async with serve(metrics_port=0) as client, beside(client) as other:
        answer = await client.get("/metrics")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "/metrics" not in (await client.get("/openapi.json")).json()["paths"]
        answer = await other.get("/metrics")
        assert answer.status_code == 200
        assert "takt_in_flight 1.0" in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_probes_find_the_health_on_both(serve: Serve) -> None:
    async with serve(metrics_port=0) as client, beside(client) as other:
        for path in ("/health/live", "/health/ready"):
            assert (await client.get(path)).status_code == 200
            assert (await other.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/models/parts/inspect"),
        ("PUT", "/v1/models/parts/threshold"),
        ("GET", "/v1/models"),
        ("GET", "/v2/models/parts"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
    ],
)
async def test_nothing_else_is_there(serve: Serve, method: str, path: str) -> None:
    async with serve(metrics_port=0) as client, beside(client) as other:
        assert (await other.request(method, path)).status_code == 404


async def test_a_name_that_is_not_the_servers_gets_no_metrics(serve: Serve) -> None:
    async with serve(metrics_port=0) as client, beside(client) as other:
        answer = await other.get("/metrics", headers={"Host": "evil.example"})
        assert answer.status_code == 421


async def test_without_a_port_of_their_own_they_are_on_the_main_one(serve: Serve) -> None:
    async with serve() as client:
        assert (await client.get("/metrics")).status_code == 200
