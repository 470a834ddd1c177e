"""The server answers as its OpenAPI document says."""

from __future__ import annotations

import pytest

from tests.hostile.schema import PHASES, REFUSED, check


def test_schemathesis_finds_nothing() -> None:
    checked = check(("examples", "coverage"), max_examples=1)

    assert checked.errors == []
    assert checked.findings == []
    assert checked.cases > 100


@pytest.mark.slow
def test_schemathesis_finds_nothing_with_every_phase() -> None:
    checked = check(PHASES, max_examples=100)

    assert checked.errors == []
    assert checked.findings == []


@pytest.mark.slow
def test_schemathesis_finds_what_is_not_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    # The document says of no body that it is a picture.
    monkeypatch.setattr("tests.hostile.schema.CONFIGURATION", "")
    checked = check(("fuzzing",), max_examples=20)

    refused = {one.operation for one in checked.findings if one.code == "ST202"}
    assert {operation.split("/")[-1] for operation in refused} >= {"inspect", "infer"}
    assert all(one.reason for one in REFUSED)
