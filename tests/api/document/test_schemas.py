"""The schemas refuse what the server refuses, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from tests.api.document.operations import operation

BODIES: list[tuple[str, Any, bool]] = [
    ("set_threshold", {"image": 0.4}, True),
    ("set_threshold", {"image": None, "pixel": 0.4, "reason": None}, True),
    ("set_threshold", {"image": 0.4, "reason": "n" * 500}, True),
    ("set_threshold", {"image": 0.4, "reason": "n" * 501}, False),
    ("set_threshold", {}, False),
    ("set_threshold", {"reason": "new lamp"}, False),
    ("set_threshold", {"image": None}, False),
    ("set_threshold", {"image": None, "pixel": None}, False),
    ("set_threshold", {"undecided": False}, True),
    ("set_threshold", {"undecided": None}, False),
    ("set_threshold", {"image": "0.4"}, False),
    ("set_threshold", {"image": True}, False),
    ("set_threshold", {"image": 0.4, "both": 1}, False),
    ("set_threshold", [], False),
    ("activate_version", {}, True),
    ("activate_version", {"reason": None}, True),
    ("activate_version", {"reason": 7}, False),
    ("activate_version", {"version": "2"}, False),
    ("oip_repository_index", {"ready": True}, True),
    ("oip_repository_index", {"ready": "yes"}, False),
    ("oip_repository_index", {"all": True}, False),
]

OPTIONS: list[tuple[str, str, bool]] = [
    ("heatmap", "overlay", True),
    ("heatmap", "both", False),
    ("format", "webp", True),
    ("format", "gif", False),
    ("threshold", "-1.5", True),
    ("threshold", "1e3", True),
    ("threshold", "null", False),
    ("threshold", "", False),
    ("threshold", "much", False),
    ("timeout_ms", "30000", True),
    ("timeout_ms", "3600000", True),
    ("timeout_ms", "3600001", False),
    ("timeout_ms", "0", False),
    ("timeout_ms", "-1", False),
    ("priority", "bulk", True),
    ("priority", "1", False),
]


def validator(document, schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})


async def test_a_body_is_refused_by_its_schema_where_the_server_refuses_it(serve, openapi) -> None:
    async with serve() as client:
        for wanted, body, good in BODIES:
            one = operation(openapi, wanted)
            content = one.fields["requestBody"]["content"]["application/json"]
            answer = await client.request(one.method, one.path_of("parts"), json=body)
            assert validator(openapi, content["schema"]).is_valid(body) is good, (wanted, body)
            assert answer.status_code == (200 if good else 422), (wanted, body)


async def test_an_option_is_refused_by_its_schema_where_the_server_refuses_it(
    serve, openapi, bad_part
) -> None:
    parameters = operation(openapi, "inspect_picture").fields["parameters"]
    schemas = {one["name"]: one["schema"] for one in parameters if one["in"] == "query"}
    assert set(schemas) == {
        *("heatmap", "format", "threshold", "pixel_threshold", "timeout_ms", "priority"),
        *("station", "part", "lot", "tags"),
    }
    async with serve() as client:
        for name, text, good in OPTIONS:
            try:
                value = json.loads(text) if schemas[name]["type"] == "number" else text
            except json.JSONDecodeError:
                value = text
            answer = await client.post(
                "/v1/models/parts/inspect", params={name: text}, content=bad_part
            )
            assert validator(openapi, schemas[name]).is_valid(value) is good, (name, text)
            assert answer.status_code == (200 if good else 422), (name, text)


def infer(parameters: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    tensor = {"name": "pixels", "shape": [1, 2, 2], "datatype": "UINT8", "data": [9, 9, 9, 9]}
    body: dict[str, Any] = {"inputs": [tensor | changed]}
    return body if parameters is None else body | {"parameters": parameters}


INFERENCES: list[tuple[dict[str, Any], bool]] = [
    (infer(), True),
    (infer(data=[[[9, 9], [9, 9]]]), True),
    (infer(shape=[1, 2, 2, 1]), True),
    (infer({"priority": "bulk"}), True),
    (infer({"priority": 2}), True),
    (infer({"timeout": 5_000_000}), True),
    (infer() | {"id": "7", "outputs": [{"name": "score"}]}, True),
    (infer(name="picture"), False),
    (infer(datatype="FP32"), False),
    (infer(datatype="BYTES"), False),
    (infer(name="image"), False),
    (infer(shape=[1, 2]), False),
    (infer(shape=[]), False),
    (infer(shape=[1, 2, 2, 1, 1]), False),
    (infer(shape=[0, 2, 2]), False),
    (infer(data="9"), False),
    (infer(color="rgb"), False),
    (infer({"priority": 3}), False),
    (infer({"timeout_ms": 0}), False),
    (infer({"timeout": 1.5}), False),
    (infer({"heatmap": "raw"}), False),
    (infer() | {"inputs": []}, False),
    (infer() | {"outputs": [{"name": "scores"}]}, False),
    (infer() | {"model": "parts"}, False),
    ({}, False),
]


async def test_an_inference_request_is_refused_by_its_schema_where_the_server_refuses_it(
    serve, openapi
) -> None:
    body_of = operation(openapi, "oip_infer").fields["requestBody"]
    schema = validator(openapi, body_of["content"]["application/json"]["schema"])
    async with serve() as client:
        for body, good in INFERENCES:
            answer = await client.post("/v2/models/parts/infer", json=body)
            assert schema.is_valid(body) is good, body
            assert (answer.status_code == 200) is good, (body, answer.text)
            assert answer.status_code in (200, 400, 422)


@pytest.mark.parametrize("named", [None, ["heatmap", "anomaly_map", "regions"]])
async def test_an_inference_response_is_as_its_schema_says(serve, openapi, named) -> None:
    answers = operation(openapi, "oip_infer").fields["responses"]
    schema = validator(openapi, answers["200"]["content"]["application/json"]["schema"])
    wanted = {} if named is None else {"outputs": [{"name": name} for name in named]}
    async with serve() as client:
        answer = (await client.post("/v2/models/parts/infer", json=infer() | wanted)).json()
        schema.validate(answer)
        assert not schema.is_valid(answer | {"more": 1})


async def test_an_answer_of_every_reading_route_is_as_its_schema_says(serve, openapi) -> None:
    reading = [
        *("list_models", "get_model", "check_live", "check_ready", "oip_server_metadata"),
        *("oip_server_live", "oip_server_ready", "oip_model_ready", "oip_version_ready"),
        *("oip_model_metadata", "oip_version_metadata", "oip_model_config", "oip_version_config"),
        "oip_repository_index",
    ]
    async with serve() as client:
        for wanted in reading:
            one = operation(openapi, wanted)
            content = one.fields["responses"]["200"]["content"]["application/json"]
            schema = validator(openapi, content["schema"])
            answer = (await client.request(one.method, one.path_of("parts"))).json()
            schema.validate(answer)
            # A schema that says nothing would let anything pass.
            assert not schema.is_valid("anything")
