"""The server answers as its OpenAPI document says."""

from __future__ import annotations

import pytest

from tests.hostile.schema import NAMED, PHASES, Finding, check


def test_schemathesis_finds_nothing_but_what_is_named() -> None:
    checked = check(("examples", "coverage"), max_examples=1)

    assert checked.errors == []
    assert checked.open == []
    assert checked.cases > 100


@pytest.mark.slow
def test_schemathesis_finds_nothing_more_with_every_phase() -> None:
    checked = check(PHASES, max_examples=100)

    assert checked.errors == []
    assert checked.open == []


def test_a_finding_needs_a_name_of_its_own() -> None:
    named = NAMED[0]

    assert Finding(named.code, "", "POST /v1/models/{name}/inspect").reason == named.reason
    assert Finding("ST101", "", "POST /v1/models/{name}/inspect").reason is None
    assert Finding(named.code, "", "GET /v1/models").reason is None
