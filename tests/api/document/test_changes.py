"""A change of the API is seen, weighed, and told in the changelog."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from takt.api.document.asyncapi import asyncapi_document
from tests.api.document.compare import Change, changes
from tests.api.document.console_calls import CALLS, calls_module
from tests.api.document.snapshot import (
    CHANGELOG,
    OPENAPI,
    RENEW,
    Renewal,
    documents_now,
    entry_of,
    renewal,
    text_of,
)

Mutate = Callable[[dict[str, Any]], object]

INSPECT, MODEL = "/v1/models/{name}/inspect", "/v1/models/{name}"


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def field(document: dict[str, Any], name: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = schema(document, name)["properties"][key]
    return found


def option(document: dict[str, Any], name: str) -> dict[str, Any]:
    parameters = document["paths"][INSPECT]["post"]["parameters"]
    (found,) = (one for one in parameters if one["name"] == name)
    found_schema: dict[str, Any] = found["schema"]
    return found_schema


def answers(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][INSPECT]["post"]["responses"]
    return found


BREAKING: dict[str, tuple[Mutate, str]] = {
    "a route is gone": (lambda d: d["paths"].pop(MODEL), "get_model"),
    "a method is gone": (
        lambda d: d["paths"]["/v1/models/{name}/threshold"].pop("delete"),
        "reset_threshold",
    ),
    "an operation has another id": (
        lambda d: d["paths"][MODEL]["get"].update(operationId="model"),
        "get_model",
    ),
    "a field of an answer is gone": (
        lambda d: schema(d, "VersionOut")["properties"].pop("notes"),
        "VersionOut.notes",
    ),
    "a field of an answer may be left out": (
        lambda d: schema(d, "VersionOut")["required"].remove("notes"),
        "VersionOut.notes",
    ),
    "a field of an answer may be null": (
        lambda d: field(d, "InspectionOut", "score").update(
            anyOf=[{"type": "number"}, {"type": "null"}]
        ),
        "InspectionOut.score",
    ),
    "a field of an answer has another type": (
        lambda d: field(d, "InspectionOut", "score").update(type="string"),
        "InspectionOut.score",
    ),
    "a value of an answer is new to programs": (
        lambda d: field(d, "VersionOut", "state")["enum"].append("waiting"),
        "VersionOut.state",
    ),
    "a value of an option is gone": (
        lambda d: option(d, "heatmap")["enum"].remove("raw"),
        "inspect_picture.heatmap",
    ),
    "an option is gone": (
        lambda d: d["paths"][INSPECT]["post"]["parameters"].pop(),
        "inspect_picture",
    ),
    "an option must be there": (
        lambda d: d["paths"][INSPECT]["post"]["parameters"][1].update(required=True),
        "inspect_picture",
    ),
    "an option's bound is narrower": (
        lambda d: option(d, "timeout_ms").update(maximum=1000),
        "inspect_picture.timeout_ms",
    ),
    "an option's default is another": (
        lambda d: option(d, "format").update(default="png"),
        "inspect_picture.format",
    ),
    "a text must be shorter": (
        lambda d: field(d, "ThresholdsIn", "reason")["anyOf"][0].update(maxLength=10),
        "ThresholdsIn.reason",
    ),
    "a new field must be there": (
        lambda d: (
            field(d, "ActivationIn", "reason"),
            schema(d, "ActivationIn").update(
                required=["by"],
                properties={"by": {"type": "string"}, **schema(d, "ActivationIn")["properties"]},
            ),
        ),
        "ActivationIn.by",
    ),
    "null is refused": (
        lambda d: field(d, "ThresholdsIn", "image")["anyOf"].pop(),
        "ThresholdsIn.image",
    ),
    "a body of a kind is refused": (
        lambda d: d["paths"][INSPECT]["post"]["requestBody"]["content"].pop("image/*"),
        "inspect_picture",
    ),
    "a status is gone": (lambda d: answers(d).pop("429"), "inspect_picture"),
    "a code is gone": (
        lambda d: d["components"]["responses"]["EngineFailedOrDriftOrInvalidBundle"]["content"][
            "application/problem+json"
        ]["examples"].pop("drift"),
        "activate_version",
    ),
    "another scope is needed": (
        lambda d: d["paths"][MODEL]["get"].update(security=[{"key": ["operate"]}]),
        "get_model",
    ),
    "a key is needed": (
        lambda d: d["paths"]["/health/live"]["get"].update(security=[{"key": []}]),
        "check_live",
    ),
}

ADDITIVE: dict[str, tuple[Mutate, str]] = {
    "a route is new": (
        lambda d: d["paths"].update({"/v1/new": {"get": {"operationId": "new", "responses": {}}}}),
        "new",
    ),
    "a field of an answer is new": (
        lambda d: schema(d, "VersionOut")["properties"].update(size={"type": "integer"}),
        "VersionOut.size",
    ),
    "an option is new": (
        lambda d: d["paths"][INSPECT]["post"]["parameters"].append(
            {"name": "color", "in": "query", "required": False, "schema": {"type": "string"}}
        ),
        "inspect_picture",
    ),
    "a value of an option is new": (
        lambda d: option(d, "format")["enum"].append("avif"),
        "inspect_picture.format",
    ),
    "a bound is wider": (
        lambda d: option(d, "timeout_ms").update(maximum=10_000_000),
        "inspect_picture.timeout_ms",
    ),
    "a field may be left out of a request": (
        lambda d: schema(d, "InputTensor")["required"].remove("shape"),
        "InputTensor.shape",
    ),
    "an answer has a code more": (
        lambda d: d["components"]["responses"]["EngineFailed"]["content"][
            "application/problem+json"
        ]["examples"].update(other={"value": {"code": "other"}}),
        "inspect_picture",
    ),
    "a status is new": (
        lambda d: answers(d).update({"507": {"description": "full"}}),
        "inspect_picture",
    ),
}


def changed(document: dict[str, Any], mutate: Mutate) -> list[Change]:
    after = deepcopy(document)
    mutate(after)
    return changes(document, after)


@pytest.mark.parametrize("what", BREAKING)
def test_what_breaks_programs_is_found(openapi, what: str) -> None:
    mutate, subject = BREAKING[what]
    found = changed(openapi, mutate)

    assert (found[0].weight, found[0].subject) == ("breaking", subject), found


@pytest.mark.parametrize("what", ADDITIVE)
def test_what_adds_something_breaks_nothing(openapi, what: str) -> None:
    mutate, subject = ADDITIVE[what]
    found = changed(openapi, mutate)

    assert {change.weight for change in found} == {"additive"}, found
    assert subject in {change.subject for change in found}


def test_other_words_are_no_change_for_programs(openapi) -> None:
    found = changed(openapi, lambda d: d["paths"][MODEL]["get"].update(description="Tells all."))

    assert [change.weight for change in found] == ["wording"]
    assert changed(openapi, lambda d: d["info"].update(version="9.0.0")) == []


def test_changes_of_a_stream_s_messages_are_found() -> None:
    document = asyncapi_document()

    def found(mutate: Mutate) -> list[tuple[str, str]]:
        return [(one.weight, one.subject) for one in changed(document, mutate)]

    assert found(lambda d: d["channels"].pop("stream")) == [("breaking", "stream")]
    assert found(lambda d: d["components"]["messages"].pop("dropped")) == [("breaking", "dropped")]
    assert found(lambda d: schema(d, "AnswerOut")["properties"].pop("vote")) == [
        ("breaking", "AnswerOut.vote")
    ]
    assert found(lambda d: field(d, "VoteIn", "n").update(maximum=10)) == [("breaking", "VoteIn.n")]
    assert found(lambda d: schema(d, "Hello")["properties"].update(tag={"type": "string"})) == [
        ("additive", "Hello.tag")
    ]


def test_the_committed_documents_are_those_of_the_server() -> None:
    now = documents_now()
    found = renewal(now)

    assert all(path.read_text("utf-8") == text_of(one) for path, one in now.items()), str(found)


def test_the_changelog_names_the_version_of_the_api() -> None:
    version = json.loads(OPENAPI.read_text("utf-8"))["info"]["version"]

    assert entry_of(CHANGELOG.read_text("utf-8"), version) is not None


@pytest.mark.parametrize(
    ("weight", "after", "entry", "missing"),
    [
        ("breaking", "2.0.0", "- API 2.0.0: `get_model` is gone.\n", []),
        ("breaking", "1.3.0", "- API 1.3.0: `get_model` is gone.\n", ["raise API_VERSION"]),
        ("breaking", "2.0.0", "- API 2.0.0: fewer routes.\n- `get_model`\n", ["`get_model`"]),
        ("breaking", "2.0.0", "- `get_model` is gone.\n", ["API 2.0.0", "`get_model`"]),
        ("additive", "1.3.0", "- API 1.3.0: a route more.\n", []),
        ("additive", "1.2.3", "- API 1.2.3\n", ["raise API_VERSION from 1.2.3 to 1.3.0"]),
        ("wording", "1.2.3", "- API 1.2.3\n", []),
    ],
)
def test_a_change_is_renewed_once_the_version_and_the_changelog_tell_it(
    weight, after: str, entry: str, missing: list[str]
) -> None:
    found = Renewal([Change(weight, "get_model", "is gone")], "1.2.3", after, f"# Log\n\n{entry}")

    assert len(found.missing) == len(missing)
    for said, wanted in zip(found.missing, missing, strict=True):
        assert wanted in said
    assert RENEW in str(found) and "get_model: is gone" in str(found)


def test_the_console_calls_the_operations_of_this_api() -> None:
    assert CALLS.read_text("utf-8") == calls_module(documents_now()[OPENAPI]), RENEW
