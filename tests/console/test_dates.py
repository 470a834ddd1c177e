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
