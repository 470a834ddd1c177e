"""Errors as the document describes them."""

from __future__ import annotations

import logging

import pytest

from takt.api.problems import problem_responses
from takt.api.schemas import OipProblemOut
from takt.core.errors import (
    EngineError,
    ForbiddenError,
    MemoryFullError,
    QueueFullError,
)

PROBLEM = "application/problem+json"


def test_an_error_is_the_example_of_its_code_and_its_class_the_description() -> None:
    (found,) = problem_responses(ForbiddenError("ask somebody else")).values()

    assert found["description"] == "The settings of this server do not allow the request."
    assert found["content"][PROBLEM]["schema"] == {"$ref": "#/components/schemas/ProblemOut"}
    value = found["content"][PROBLEM]["examples"]["forbidden"]["value"]
    assert (value["status"], value["code"], value["title"]) == (403, "forbidden", "Forbidden")
    assert value["detail"] == "ask somebody else"
    assert "error" not in value


def test_errors_of_one_status_stand_together_and_say_when_to_come_back() -> None:
    found = problem_responses(
        QueueFullError("later", retry_after_s=3), MemoryFullError("later"), EngineError("no")
    )

    assert list(found) == [429, 500]
    assert list(found[429]["content"][PROBLEM]["examples"]) == ["queue_full", "memory_full"]
    assert list(found[429]["headers"]) == ["Retry-After"]
    assert "headers" not in found[500]


def test_two_errors_of_one_code_are_two_examples() -> None:
    found = problem_responses(ForbiddenError("not here"), ForbiddenError("not you"))

    assert list(found[403]["content"][PROBLEM]["examples"]) == ["forbidden", "forbidden_1"]


def test_the_open_inference_protocol_reads_the_text_in_its_own_field() -> None:
    (found,) = problem_responses(ForbiddenError("no"), kind=OipProblemOut).values()

    assert found["content"][PROBLEM]["schema"] == {"$ref": "#/components/schemas/OipProblemOut"}
    assert found["content"][PROBLEM]["examples"]["forbidden"]["value"]["error"] == "no"


def test_to_describe_a_failure_is_none_and_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        problem_responses(EngineError("the engine failed"))

    assert not caplog.records
