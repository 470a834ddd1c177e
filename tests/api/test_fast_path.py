"""Inspections past the routing answer as the documented routes would; nothing else is caught."""

from __future__ import annotations

import re

import pytest

URL = "/v1/models/parts/inspect"


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("heatmp=map", "heatmp: Extra inputs are not permitted"),
        ("heatmap=none&heatmap=rainbow", "heatmap: Input should be"),
        ("timeout_ms=0", "timeout_ms: Input should be greater than 0"),
        ("threshold=nan", "threshold: Input should be a finite number"),
        ("threshold=", "threshold: Input should be a valid number"),
        ("priority=first", "priority: Input should be 'line' or 'bulk'"),
    ],
)
async def test_a_wrong_option_is_named(serve, picture_bytes, query: str, where: str) -> None:
    async with serve() as client:
        response = await client.post(f"{URL}?{query}", content=picture_bytes())
        problem = response.json()
        assert (response.status_code, problem["code"]) == (422, "invalid_parameter")
        assert problem["detail"].startswith(where)
        assert problem["request_id"] == response.headers["x-request-id"]
        metrics = (await client.get("/metrics")).text
        counted = r'takt_requests_total\{model="unknown",outcome="invalid_parameter",.*\} 1\.0'
        assert re.search(counted, metrics)


async def test_of_an_option_that_comes_twice_the_last_one_counts(serve, picture_bytes) -> None:
    async with serve() as client:
        query = "threshold=0.9&threshold=0.01"
        answer = (await client.post(f"{URL}?{query}", content=picture_bytes())).json()
        assert answer["threshold"] == 0.01


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", URL, 405),
        ("PUT", URL, 405),
        ("POST", URL + "/more", 404),
        ("POST", "/v1/models//inspect", 404),
        ("POST", "/v1/models/parts/versions/2/inspect", 404),
        ("POST", "/v1/models/pa%20rts/inspect", 404),
        ("POST", "/v1/models/parts/versions/1/inspect", 200),
    ],
)
async def test_only_inspections_take_it(
    serve, picture_bytes, method: str, path: str, status: int
) -> None:
    async with serve() as client:
        response = await client.request(method, path, content=picture_bytes())
        assert response.status_code == status


async def test_the_paths_that_it_takes_are_documented(serve) -> None:
    async with serve() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        taken = {path for path in paths if path.endswith("/inspect")}
        models = "/v1/models/{name}"
        assert taken == {f"{models}/inspect", f"{models}/versions/{{version}}/inspect"}
        assert all("post" in paths[path] for path in taken)
