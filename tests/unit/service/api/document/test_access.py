"""Who may ask what, as the document says it."""

from __future__ import annotations

from typing import Any

import pytest

from takt.api.document.access import SCHEMES, add_access
from takt.api.problems import problem_responses
from takt.core.errors import ForbiddenError
from takt.security.routes import Need, RouteNeed

PROBLEM = "application/problem+json"


def described(need: Need, path: str = "/part", **responses: Any) -> dict[str, Any]:
    """The one operation of a document, whose route needs this."""
    operation: dict[str, Any] = {"responses": responses}
    document = {"paths": {path: {"get": operation}}, "components": {}}
    add_access(document, [RouteNeed("GET", path, need)])
    assert document["components"]["securitySchemes"] == SCHEMES
    return operation


def examples(operation: dict[str, Any], status: str) -> list[str]:
    return list(operation["responses"][status]["content"][PROBLEM]["examples"])


def test_a_scope_may_come_with_a_key_or_a_session_and_its_lack_is_told() -> None:
    operation = described("operate")

    assert operation["security"] == [{"key": ["operate"]}, {"session": ["operate"]}]
    assert examples(operation, "401") == ["unauthenticated"]
    assert examples(operation, "403") == ["insufficient_scope"]
    assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]


def test_a_route_that_needs_any_key_lacks_no_scope() -> None:
    operation = described("a key")

    assert operation["security"] == [{"key": []}, {"session": []}]
    assert set(operation["responses"]) == {"401"}


def test_a_route_that_needs_nothing_asks_for_nothing() -> None:
    assert described("nothing") == {"responses": {}, "security": []}


def test_a_lack_of_scope_stands_beside_other_refusals_of_its_status() -> None:
    (forbidden,) = problem_responses(ForbiddenError("not from there")).values()
    before = forbidden["description"]
    operation = described("read", **{"403": forbidden})

    assert examples(operation, "403") == ["forbidden", "insufficient_scope"]
    described_as = operation["responses"]["403"]["description"]
    assert described_as.startswith(before) and len(described_as) > len(before)


def test_problems_of_the_open_inference_protocol_have_its_form() -> None:
    operation = described("read", "/v2/models")

    content = operation["responses"]["401"]["content"][PROBLEM]
    assert content["schema"] == {"$ref": "#/components/schemas/OipProblemOut"}
    assert content["examples"]["unauthenticated"]["value"]["error"]


def test_a_route_that_is_not_in_the_table_cannot_be_described() -> None:
    with pytest.raises(KeyError):
        add_access({"paths": {"/new": {"get": {"responses": {}}}}, "components": {}}, [])
