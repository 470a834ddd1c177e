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
        assert (await client.get("/")).headers["location"] == "/docs"


async def test_openapi_tells_every_answer_with_an_example(serve) -> None:
    async with serve() as client:
        schema = (await client.get("/openapi.json")).json()
        inspect = schema["paths"]["/v1/models/{name}/inspect"]["post"]
        assert set(inspect["responses"]) == {
            *("200", "400", "403", "404", "408", "413", "415", "421", "422", "429"),
            *("500", "503", "504"),
        }
        assert set(inspect["requestBody"]["content"]) == {"image/*", "multipart/form-data"}
        assert set(inspect["responses"]["200"]["content"]) == {
            *("application/json", "image/png", "image/jpeg", "image/webp")
        }
        assert schema["components"]["schemas"]["InspectionOut"]["example"]["regions"]
        problem = inspect["responses"]["400"]["content"]["application/problem+json"]["schema"]
        assert problem["example"]["code"] == "invalid_image"


async def test_a_wrong_method_is_told_every_method_of_the_path(serve) -> None:
    async with serve() as client:
        for path in ("/v1/models/parts/threshold", "/v1/models/parts/versions/1/threshold"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, PUT")
            assert answer.json()["code"] == "method_not_allowed"
        assert (await client.post("/health/live")).headers["allow"] == "GET, HEAD"


async def test_the_problems_of_the_open_inference_protocol_are_documented_with_their_error(
    serve,
) -> None:
    async with serve() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        problem = (await client.get("/v2/models/none")).json()
        for path in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}/config"):
            for status in ("404", "421"):
                (content,) = paths[path]["get"]["responses"][status]["content"].values()
                assert set(content["schema"]["properties"]) == set(problem)
        assert "404" in paths["/v1/models/{name}"]["get"]["responses"]
