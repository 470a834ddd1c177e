"""The page Audit: what was inspected, to take along or to print, and who has changed what."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.console.conftest import ROOT, Serve
from tests.console.scene import work_a_shift

pytestmark = pytest.mark.browser


def test_rejects_of_a_station_are_taken_along_as_json(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    server = serve(record=True)
    work_a_shift(server.url, 1)
    page.goto(f"{server.url}/console/audit")
    page.get_by_label("Station").fill("press-1")
    page.get_by_label("Station").press("Tab")
    page.get_by_label("Verdict").select_option("rejected")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save as JSON").click()
    saved.value.save_as(tmp_path / "shift.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "shift.jsonl").read_text("utf-8").splitlines()]
    assert rows
    assert {(row["station"], row["anomalous"]) for row in rows} == {("press-1", True)}
    expect(page.get_by_text(f"{len(rows)} inspections, {len(rows)} rejected.")).to_be_visible()


def test_what_is_typed_stays_while_the_inspections_are_on_their_way(
    page: Page, serve: Serve
) -> None:
    asked: list[Route] = []
    page.route("**/v1/inspections?**", lambda route: asked.append(route))
    server = serve(record=True)
    with page.expect_request("**/v1/inspections?**"):
        page.goto(f"{server.url}/console/audit")
    station = page.get_by_label("Station")
    station.press_sequentially("press")
    asked.pop().continue_()
    expect(page.get_by_text("Nothing was inspected in this time")).to_be_visible()
    expect(station).to_have_value("press")
    station.press_sequentially("-1")
    station.press("Tab")
    expect(page).to_have_url(re.compile(r"\?station=press-1$"))
    expect(page.get_by_label("Verdict")).to_be_focused()


SHOWN = """() => {
    const { value } = document.activeElement;
    const since = new URLSearchParams(location.search).get("since");
    return !value || !since || Number(new Date(value)) === Number(new Date(since));
}"""


def test_a_moment_is_typed_over_another_one(page: Page, serve: Serve) -> None:
    page.goto(f"{serve(record=True).url}/console/audit?since=2026-01-01T00:00:00Z")
    page.get_by_label("From", exact=True).focus()
    for key in "020220260615AM":
        page.keyboard.type(key)
        page.wait_for_function(SHOWN)
    expect(page).to_have_url(re.compile(r"since=2026-02-0\dT"))


def test_a_moment_is_typed_at_one_go(page: Page, serve: Serve) -> None:
    page.goto(f"{serve(record=True).url}/console/review")
    page.get_by_label("Filter by").select_option("From")
    page.get_by_label("Value").focus()
    page.keyboard.type("020220260615AM")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"since=2026-02-0\dT"))


def test_inspections_stand_under_the_time_that_they_are_of_when_another_one_is_refused(
    page: Page, serve: Serve
) -> None:
    server = serve(record=True)
    work_a_shift(server.url, 1)
    page.goto(f"{server.url}/console/audit?since=2026-01-01T00:00:00Z")
    heading = page.get_by_role("heading", level=2)
    rows = page.get_by_role("row").filter(has_text="pitting")
    expect(rows.first).to_be_visible()
    before = heading.inner_text()
    page.route("**/v1/inspections?**", lambda route: route.fulfill(status=503, json={}))
    page.get_by_label("From", exact=True).fill("2026-02-02T00:00")
    page.get_by_label("From", exact=True).press("Tab")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(rows.first).to_be_visible()
    expect(heading).to_have_text(before)


def test_an_inspection_leads_to_its_entries_of_the_audit_log(page: Page, serve: Serve) -> None:
    server = serve(record=True)
    # The oldest rejects are judged.
    *_, judged = work_a_shift(server.url, 1)
    page.goto(f"{server.url}/console/inspection/{judged}")
    page.get_by_role("link", name="Who changed what about it").click()
    expect(page.get_by_text(f"Entries about inspection {judged}.")).to_be_visible()
    entries = page.get_by_role("row").filter(
        has=page.get_by_role("cell", name="Judged", exact=True)
    )
    expect(entries).to_have_count(1)


def test_on_paper_are_the_inspections_alone(page: Page, serve: Serve) -> None:
    server = serve(record=True)
    work_a_shift(server.url, 1)
    page.goto(f"{server.url}/console/audit")
    table = page.get_by_role("table")
    expect(table).to_be_visible()
    page.emulate_media(media="print")
    expect(table).to_be_visible()
    for hidden in (page.locator("header.head"), page.get_by_role("button", name="Print")):
        expect(hidden).to_be_hidden()


def test_every_action_of_the_audit_log_has_words() -> None:
    documented = re.findall(r"`(\w+)`", "".join(_actions()))
    texts = json.loads((ROOT / "service/takt/console/static/strings/en.json").read_text("utf-8"))
    assert documented
    assert [one for one in documented if one not in texts["audit"]["actions"]] == []


def _actions() -> list[str]:
    """The first column of the table in docs/audit.md."""
    text = (ROOT / "docs/audit.md").read_text("utf-8")
    table = text.partition("## What is in it")[2].partition("\n\nEach has a number")[0]
    return [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
