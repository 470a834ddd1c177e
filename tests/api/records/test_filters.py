"""Filters of a query are those of the record."""

from __future__ import annotations

from dataclasses import fields

import pytest
from pydantic import ValidationError

from takt.api.records.filters import FiltersIn
from takt.core.errors import InvalidParameterError
from takt.recording.search.filters import Filters


def test_a_query_has_every_filter() -> None:
    ours = {one.name.removesuffix("_us") for one in fields(Filters)}
    assert set(FiltersIn.model_fields) == ours


def test_what_is_given_is_what_is_wanted() -> None:
    asked = FiltersIn(model="bolt", version="2", until="1970-01-01T00:00:02Z", kept="any")
    assert asked.filters() == Filters(model="bolt", version="2", until_us=2_000_000, kept="any")
    assert FiltersIn().filters() == Filters()


def test_a_filter_that_cannot_be_met_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="is no point in time"):
        FiltersIn(since="yesterday").filters()
    with pytest.raises(ValidationError):
        FiltersIn.model_validate({"score_min": "nan"})
