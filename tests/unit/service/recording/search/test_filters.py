"""What can be asked of the record, and what cannot."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from takt.core.errors import InvalidParameterError
from takt.recording.search.cursor import Cursor
from takt.recording.search.filters import Filters
from takt.recording.search.times import time_of, us_of
from tests.recorded import NOON_US

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"version": "1"}, "name the model, too"),
        ({"model": "a\0b"}, "control characters"),
        ({"station": "\ud800"}, "control characters"),
        ({"lot": "x" * 257}, "256 characters"),
        ({"score_min": float("nan")}, "no finite number"),
        ({"until_us": 2**64}, "too far"),
        ({"verdict": "maybe"}, "none of"),
        ({"sha256": "0a"}, "in hex, which has 64 digits"),
        ({"sha256": "0g" * 32}, "in hex, which has 64 digits"),
        ({"sha256": "0a" * 32 + "\n"}, "in hex, which has 64 digits"),
    ],
)
def test_a_filter_that_nothing_can_meet_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidParameterError, match=said):
        Filters(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "at_us"),
    [
        ("2026-03-01T12:00:00Z", NOON_US),
        ("2026-03-01T13:00:00+01:00", NOON_US),
        ("2026-03-01T13:00:00 01:00", NOON_US),
        ("2026-03-01T12:00:00.000001Z", NOON_US + 1),
        ("-90m", NOON_US - 5_400_000_000),
        ("-2w", NOON_US - 14 * 86_400_000_000),
    ],
)
def test_a_time_has_a_zone_or_counts_from_now(text: str, at_us: int) -> None:
    assert us_of(text, NOON) == at_us


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-03-01T12:00:00", "2026-03-01", "-24", "24h", "-999999w", "0"]
)
def test_a_time_that_could_be_misread_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameterError, match="2026-03-01T06:00:00Z"):
        us_of(text, NOON)


def test_a_time_keeps_its_microseconds() -> None:
    assert us_of(time_of(NOON_US + 123_457).isoformat(), NOON) == NOON_US + 123_457


@pytest.mark.parametrize("text", ["", "x", "MQ", "é", "MS4yLjM"])
def test_a_cursor_that_no_page_gave_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameterError, match="cursor"):
        Cursor.parse(text)


def test_a_cursor_comes_back_as_it_was() -> None:
    assert Cursor.parse(Cursor(NOON_US, 12).text) == Cursor(NOON_US, 12)
