"""Days and moments: written the same for everybody, by the clock of whoever looks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import Serve
from tests.console.seeding import seed

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", ["en-US", "de-DE"])
def test_a_moment_is_written_the_same_in_every_language(
    new_page: Callable[..., Page], serve: Serve, tmp_path: Path, language: str
) -> None:
    at = datetime(2026, 3, 9, 13, 5, 6, tzinfo=UTC)
    (number,) = seed(tmp_path / "data", 1, end_us=int(at.timestamp() * 1e6))
    page = new_page(locale=language, timezone_id="Europe/Berlin")
    url = serve(record=True).url
    for path in ("audit?since=2026-03-01T00:00:00Z", f"inspection/{number}"):
        page.goto(f"{url}/console/{path}")
        expect(page.get_by_role("cell", name="2026-03-09 14:05:06", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("zone", "last", "hours"),
    [
        ("Europe/Berlin", "2026-03-31T23:30:00+02:00", {28: 24, 29: 23, 30: 24, 31: 24}),
        ("Europe/Berlin", "2026-10-26T23:30:00+01:00", {24: 24, 25: 25, 26: 24}),
        # Here it is the midnight that is left out, or the hour before it that comes twice.
        ("America/Santiago", "2026-09-07T23:30:00-03:00", {5: 24, 6: 23, 7: 24}),
        pytest.param(
            *("America/Santiago", "2026-04-05T23:30:00-04:00", {3: 24, 4: 25, 5: 24}),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("Asia/Kolkata", "2026-03-31T23:30:00+05:30", {30: 24, 31: 24}),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_days_of_the_calendar_are_as_long_as_the_clock_says(
    new_page: Callable[..., Page],
    serve: Serve,
    tmp_path: Path,
    zone: str,
    last: str,
    hours: dict[int, int],
) -> None:
    end = datetime.fromisoformat(last)
    hour_us = 3_600_000_000
    end_us = int(end.timestamp() * 1e6)
    seed(tmp_path / "data", sum(hours.values()), end_us=end_us, gap_us=hour_us)
    page = new_page(timezone_id=zone)
    since = end.replace(day=15).date()
    page.goto(f"{serve(record=True).url}/console/review/calendar?since={since}T12:00:00Z")
    for day, count in hours.items():
        expect(page.get_by_role("link", name=f"{day} {count} to judge")).to_be_visible()
    expect(page.get_by_text("to judge")).to_have_count(len(hours))
    day, count = list(hours.items())[-2]
    page.get_by_role("link", name=f"{day} {count} to judge").click()
    expect(page.get_by_text(f"{count} inspections, the newest first.")).to_be_visible()


def test_a_month_is_not_shown_with_the_days_of_another(
    new_page: Callable[..., Page], serve: Serve, tmp_path: Path
) -> None:
    end = datetime(2026, 3, 9, 12, tzinfo=UTC)
    seed(tmp_path / "data", 2, end_us=int(end.timestamp() * 1e6))
    page = new_page()
    page.goto(f"{serve(record=True).url}/console/review/calendar?since=2026-03-15T12:00:00Z")
    expect(page.get_by_role("link", name="9 2 to judge")).to_be_visible()
    page.route("**/v1/review/calendar?**", lambda route: None)
    page.get_by_role("button", name="Later month").click()
    expect(page.get_by_role("heading", name="April 2026")).to_be_visible()
    expect(page.get_by_text("to judge")).to_have_count(0)


def test_figures_of_a_day_stand_at_the_day_that_they_are_of(
    new_page: Callable[..., Page], serve: Serve, tmp_path: Path
) -> None:
    end = datetime(2026, 3, 9, 12, tzinfo=UTC)
    seed(
        tmp_path / "data",
        3,
        lambda number: {"judgement": "good"},
        end_us=int(end.timestamp() * 1e6),
    )
    page = new_page(timezone_id="America/New_York")
    page.goto(f"{serve(record=True).url}/console/review/figures")
    expect(page.get_by_role("columnheader", name="Day (UTC)").first).to_be_visible()
    expect(
        page.get_by_role("cell", name="2026-03-09")
        .or_(page.get_by_role("rowheader", name="2026-03-09"))
        .first
    ).to_be_visible()
