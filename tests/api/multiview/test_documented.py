"""The examples of problems in the API's document are what a server says of recipes and parts."""

from __future__ import annotations

from typing import Any

import httpx

from takt.core.bundles.bundle import Bundle
from takt.core.domain import Json
from takt.recording.record import Record
from tests.api.document.operations import operation
from tests.api.multiview.conftest import RECIPE, save, send


def is_example(answer: httpx.Response, openapi: Any, wanted: str, example: str) -> None:
    expected: Json = operation(openapi, wanted).examples(answer.status_code)[example]
    assert answer.json() | {"request_id": ""} == expected | {"request_id": ""}


async def test_what_a_server_refuses_is_the_example_of_that_route(
    serve, bundle: Bundle, sqlite_record: Record, good, openapi
) -> None:
    async with serve(record=sqlite_record) as client:
        unknown = await client.get("/v1/recipes/bracket")
        is_example(unknown, openapi, "get_recipe", "recipe_not_found")
        unsaid = await send(client, "A-17", "top", good)
        is_example(unsaid, openapi, "inspect_view", "recipe_not_found")
        few = await client.put("/v1/recipes/bracket", json={**RECIPE, "alpha": 0.01})
        is_example(few, openapi, "save_recipe", "too_few_pictures")
        await save(client)
        other = await client.put("/v1/recipes/bolt", json=RECIPE)
        is_example(other, openapi, "save_recipe", "number_taken")
        named = await client.get("/v1/recipes/-")
        is_example(named, openapi, "get_recipe", "invalid_parameter")
        numbered = await client.get("/v1/recipes", params={"number": 0})
        is_example(numbered, openapi, "list_recipes", "invalid_parameter")

        for asked, wanted in (
            (client.get("/v1/parts/A-17"), "get_part"),
            (client.post("/v1/parts/A-17/end"), "end_part"),
        ):
            is_example(await asked, openapi, wanted, "part_not_found")
        long = await client.get(f"/v1/parts/{'x' * 129}")
        is_example(long, openapi, "get_part", "invalid_parameter")
        unlimited = await client.get("/v1/parts", params={"limit": 0})
        is_example(unlimited, openapi, "list_parts", "invalid_parameter")
        without = await client.post("/v1/parts/A-17/views/top", content=good)
        is_example(without, openapi, "inspect_view", "invalid_parameter")
        absent = await send(client, "A-17", "below", good)
        is_example(absent, openapi, "inspect_view", "view_not_found")
        await send(client, "A-17", "top", good)
        twice = await send(client, "A-17", "top", good)
        is_example(twice, openapi, "inspect_view", "view_taken")
        foreign = await send(client, "A-17", "side", good, recipe="bolt")
        is_example(foreign, openapi, "inspect_view", "other_recipe")
        await send(client, "A-17", "side", good)
        late = await send(client, "A-17", "side", good)
        is_example(late, openapi, "inspect_view", "part_ended")


async def test_what_a_server_refuses_by_its_settings_is_the_example(
    serve, bundle: Bundle, sqlite_record: Record, openapi
) -> None:
    by_hand = {"image": 1.0, "pixel": 1.0}
    views = [{**view, "thresholds": by_hand} for view in RECIPE["views"]]
    async with serve(record=sqlite_record, threshold_changes=False) as client:
        refused = await client.put("/v1/recipes/bracket", json={**RECIPE, "views": views})
        is_example(refused, openapi, "save_recipe", "forbidden_1")


async def test_an_answer_has_what_the_document_says(
    serve, bundle: Bundle, sqlite_record: Record, good, openapi
) -> None:
    schemas = openapi["components"]["schemas"]

    def is_whole(body: Json, name: str) -> None:
        assert set(body) == set(schemas[name]["required"]) == set(schemas[name]["properties"])

    async with serve(record=sqlite_record) as client:
        is_whole(await save(client), "RecipeOut")
        await send(client, "A", "top", good)
        answer = (await send(client, "A", "side", good)).json()
    is_whole(answer, "ViewAnswerOut")
    is_whole(answer["inspection"], "InspectionOut")
    is_whole(answer["result"], "PartResultOut")
    is_whole(answer["result"]["views"][0], "PartViewOut")
