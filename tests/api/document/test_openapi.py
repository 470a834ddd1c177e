"""The OpenAPI document says what the server does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from takt.core import errors
from takt.core.errors import TaktError
from takt.security.caller import SCOPES
from takt.security.routes import ROUTES
from tests.api.document.operations import PROBLEM, operation, operations_of, resolved

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_the_document_is_one_of_openapi(openapi) -> None:
    OpenAPIV31SpecValidator(openapi).validate()


def test_it_says_who_serves_it_and_under_which_licence(openapi) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", openapi["info"]["version"])
    assert openapi["info"]["license"] == {"name": "Apache 2.0", "identifier": "Apache-2.0"}
    assert [server["url"] for server in openapi["servers"]] == ["/"]
    described = {tag["name"] for tag in openapi["tags"] if tag["description"]}
    assert {tag for one in operations_of(openapi) for tag in one.fields["tags"]} == described


def test_every_operation_has_one_id_that_reads(openapi) -> None:
    ids = [one.id for one in operations_of(openapi)]

    assert len(ids) == len(set(ids)) >= 25
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", one) for one in ids)
    assert {"inspect_picture", "list_models", "get_model", "activate_version"} < set(ids)


def test_every_problem_is_one_schema_by_reference(openapi) -> None:
    problems = Counter(
        response["content"][PROBLEM]["schema"]["$ref"]
        for one in operations_of(openapi)
        for status in one.fields["responses"]
        if PROBLEM in (response := one.response(status)).get("content", {})
    )

    assert set(problems) == {
        "#/components/schemas/ProblemOut",
        "#/components/schemas/OipProblemOut",
    }
    assert sum(problems.values()) > 100
    inlined = str(openapi["paths"]).count("'request_id': {'")
    assert inlined == 0


def test_no_reference_leads_nowhere_and_no_component_is_unused(openapi) -> None:
    used = set(references(openapi))

    for reference in used:
        assert resolved({"$ref": reference}, openapi)
    for kind in ("schemas", "responses"):
        names = {f"#/components/{kind}/{name}" for name in openapi["components"][kind]}
        assert names <= used


def test_each_example_has_the_status_and_title_of_its_code(openapi) -> None:
    known = {
        kind.code: kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, TaktError)
    }
    seen = set()
    for one in operations_of(openapi):
        for status in one.fields["responses"]:
            if PROBLEM not in one.response(status).get("content", {}):
                continue
            for name, value in one.examples(int(status)).items():
                kind = known[value["code"]]
                assert (value["status"], value["title"]) == (kind.status, kind.title)
                assert value["status"] == int(status)
                assert name.startswith(value["code"])
                assert value["type"] == f"urn:takt:error:{value['code']}"
                assert ("error" in value) == one.path.startswith("/v2")
                seen.add(value["code"])
    assert len(seen) >= 20


def test_inspect_has_a_body_and_answers_of_every_kind(openapi) -> None:
    inspect = operation(openapi, "inspect_picture").fields

    assert list(inspect["requestBody"]["content"]) == [
        *("application/octet-stream", "image/*", "multipart/form-data")
    ]
    assert set(inspect["responses"]) == {
        *("200", "400", "401", "403", "404", "408", "413", "415", "421", "422", "429"),
        *("500", "503", "504"),
    }
    assert set(inspect["responses"]["200"]["content"]) == {
        *("application/json", "image/png", "image/jpeg", "image/webp")
    }


def test_a_change_of_thresholds_takes_and_answers_what_it_says(openapi) -> None:
    change = operation(openapi, "set_threshold").fields
    body = change["requestBody"]["content"]["application/json"]["schema"]

    assert body == {"$ref": "#/components/schemas/ThresholdsIn"}
    schema = openapi["components"]["schemas"]["ThresholdsIn"]
    assert set(schema["properties"]) == {"image", "pixel", "undecided", "reason"}
    assert set(change["responses"]) == {
        *("200", "401", "403", "404", "408", "409", "421", "422", "503"),
    }


def test_each_operation_says_what_the_table_of_routes_says(openapi) -> None:
    needs = {(row.method, row.documented): row.need for row in ROUTES}

    for one in operations_of(openapi):
        need = needs[one.method, one.path]
        scopes = [need] if need in SCOPES else []
        ways = [{"key": scopes}, {"session": scopes}]
        assert one.fields["security"] == ([] if need == "nothing" else ways), one.id


async def test_every_operation_of_a_model_answers_404_and_says_so(serve, openapi) -> None:
    named = [one for one in operations_of(openapi) if "{name}" in one.path]
    assert len(named) >= 17
    async with serve() as client:
        for one in named:
            answer = await client.request(one.method, one.path_of("nut"))
            assert answer.status_code == 404, one.id
            (example,) = one.examples(404).values()
            assert answer.json() | {"request_id": ""} == example | {"request_id": ""}


async def test_a_wrong_method_is_told_every_method_of_the_path(serve, openapi) -> None:
    paths = {one.path_of("parts") for one in operations_of(openapi)}
    async with serve() as client:
        for path in paths | {"/", "/docs", "/openapi.json"}:
            answers = {method: await client.request(method, path) for method in METHODS}
            taken = {method for method, answer in answers.items() if answer.status_code != 405}
            refused = [answer for answer in answers.values() if answer.status_code == 405]
            assert refused and taken
            for answer in refused:
                assert set(answer.headers["allow"].split(", ")) == taken, path


@pytest.mark.parametrize("tag", ["inspection", "models", "health", "oip"])
async def test_what_the_document_does_not_list_is_not_there(serve, openapi, tag: str) -> None:
    """Every route that answers under a documented path stands in the document."""
    async with serve() as client:
        for one in operations_of(openapi):
            if tag not in one.fields["tags"]:
                continue
            answer = await client.request(one.method, one.path_of("parts"))
            assert str(answer.status_code) in one.fields["responses"], one.id
