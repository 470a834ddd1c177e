"""How many clicks people are from what they come for, from the page that the console opens with."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.console.conftest import BANK, Serve
from tests.console.scene import MODEL, fade_a_lamp, work_a_shift

pytestmark = pytest.mark.browser


class Clicks:
    """Clicks on a page, counted.

    Attributes:
        made: how many.
    """

    def __init__(self) -> None:
        self.made = 0

    def on(self, what: Locator) -> None:
        """Click once."""
        what.click()
        self.made += 1


def test_yesterdays_rejects_are_one_click_away(page: Page, serve: Serve) -> None:
    page.goto(f"{serve(record=True).url}/console/")
    page.get_by_role("link", name="Yesterday's rejects").click()
    expect(page.get_by_role("heading", name="Review")).to_be_visible()
    asked = parse_qs(urlsplit(page.url).query)
    since, until = (datetime.fromisoformat(asked[name][0]) for name in ("since", "until"))
    assert asked["kept"] == ["reject"]
    assert since < until <= datetime.now().astimezone()


def test_what_to_do_about_a_faded_lamp_is_one_click_away(page: Page, serve: Serve) -> None:
    server = serve(record=True)
    fade_a_lamp(server.url, "press-1")
    page.goto(f"{server.url}/console/")
    page.get_by_role("link", name="Watch").click()
    expect(page.get_by_role("article", name="Camera or light")).to_contain_text("Check the lamp")


def test_why_a_part_was_rejected_is_one_click_away(page: Page, serve: Serve) -> None:
    server = serve(record=True)
    work_a_shift(server.url, 1)
    page.goto(f"{server.url}/console/review")
    page.get_by_label("Inspections").get_by_role("option").nth(1).click()
    expect(page.get_by_label("The picture with the focus")).to_contain_text("is over the threshold")


def test_a_threshold_is_moved_with_its_consequence_in_sight_by_three_clicks(
    page: Page, serve: Serve
) -> None:
    server, clicks = serve(record=True), Clicks()
    work_a_shift(server.url, 1)
    page.goto(f"{server.url}/console/")
    clicks.on(page.get_by_role("link", name="Models"))
    clicks.on(page.get_by_role("link", name=MODEL, exact=True))
    clicks.on(page.get_by_role("button", name="Lower", exact=True))
    expect(page.get_by_role("table", name="").first).to_contain_text("Known good parts")
    assert clicks.made == 3
    page.get_by_label("As a number").fill("1.5")
    page.get_by_role("button", name="Serve by this threshold").click()
    turned = page.get_by_role("dialog").get_by_role("row")
    expect(turned.filter(has_text="Recorded parts")).to_be_visible()
    rejected = turned.filter(has_text="Known good parts").get_by_role("cell").first
    assert int(rejected.inner_text()) > 50


def test_a_shift_is_exported_for_an_audit_by_two_clicks(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    server, clicks = serve(BANK, record=True), Clicks()
    work_a_shift(server.url, 1)
    page.goto(f"{server.url}/console/")
    clicks.on(page.get_by_role("link", name="Audit"))
    with page.expect_download() as saved:
        clicks.on(page.get_by_role("link", name="Save as CSV"))
    saved.value.save_as(tmp_path / "shift.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "shift.csv").read_text("utf-8"))))
    assert {row["station"] for row in rows} == {"press-1", "press-2"}
    assert clicks.made == 2
