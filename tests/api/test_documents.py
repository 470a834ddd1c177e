"""The pages of the API, and what a wrong route is told."""

from __future__ import annotations

import re

URL = "/v1/models/parts/inspect"


async def test_an_unknown_route_is_a_problem_too(serve) -> None:
    async with serve() as client:
        response = await client.get("/v1/nothing")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        response = await client.get(URL)
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
        assert response.headers["allow"] == "POST"


async def test_the_docs_load_nothing_from_elsewhere(serve) -> None:
    async with serve() as client:
        page = (await client.get("/docs")).text
        used = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert used
        for url in used:
            assert url.startswith("/")
            assert (await client.get(url)).status_code == 200
        assert (await client.get("/")).headers["location"] == "/console/"


async def test_a_wrong_method_is_told_every_method_of_the_path(serve) -> None:
    async with serve() as client:
        for path in ("/v1/models/parts/threshold", "/v1/models/parts/versions/1/threshold"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, PUT")
            assert answer.json()["code"] == "method_not_allowed"
        assert (await client.post("/health/live")).headers["allow"] == "GET, HEAD"
