"""The page Review: what is kept, judged by one key."""

from __future__ import annotations

import json
import re
import shutil
import time
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.api.keys import secret
from tests.console.conftest import BANK, Serve, Server, log_in
from tests.console.seeding import DAY_US, seed
from tests.workers import eventually

pytestmark = pytest.mark.browser

EVIL = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


def asked(server: Server, path: str, key: str | None = None) -> Any:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"{server.url}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def told(server: Server, path: str, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}{path}", json.dumps(body).encode(), headers)
    urllib.request.urlopen(request, timeout=60).close()


def judged(server: Server) -> dict[int, str]:
    found = asked(server, "/v1/inspections?kept=any&limit=1000")["inspections"]
    return {one["id"]: one["judgement"] for one in found if one["judgement"]}


def become(found: Callable[[], Any], wanted: Any) -> None:
    """Ask until the answer is as it should be."""
    ends = time.monotonic() + 60
    while (now := found()) != wanted and time.monotonic() < ends:
        time.sleep(0.05)
    assert now == wanted


def tile(page: Page, number: int) -> Locator:
    return page.locator(f"#tile-{number}")


def tiles(page: Page) -> Locator:
    return page.locator("[role=option]")


def grid(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Inspections")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of the servers that `serve` starts."""
    return tmp_path / "data"


def test_ten_rejects_are_judged_by_keyboard_and_one_is_taken_back(
    page: Page, serve: Serve, data: Path
) -> None:
    ids = seed(data, 60)[2::3]
    server = serve(record=True)
    page.goto(f"{server.url}/console/review?kept=reject")
    expect(grid(page)).to_be_focused()
    expect(tiles(page)).to_have_count(20)
    for key in "ddgduddgdd":
        page.keyboard.press(key)
    words = {"d": "defect", "g": "good", "u": "unsure"}
    wanted = {number: words[key] for number, key in zip(ids, "ddgduddgdd", strict=False)}
    become(lambda: judged(server), wanted)
    expect(tile(page, ids[2])).to_contain_text("judged good")
    page.keyboard.press("Control+z")
    del wanted[ids[9]]
    become(lambda: judged(server), wanted)
    expect(tile(page, ids[9])).to_contain_text("not judged")
    page.get_by_role("button", name="Undo").click()
    del wanted[ids[8]]
    become(lambda: judged(server), wanted)
    history = asked(server, f"/v1/inspections/{ids[9]}/judgements")
    assert [one["judgement"] for one in history["said"]] == ["defect", "withdrawn"]


def test_a_key_that_is_held_and_one_of_the_browser_judge_no_more_pictures(
    page: Page, serve: Serve, data: Path
) -> None:
    ids = seed(data, 6)
    server = serve(record=True)
    page.goto(f"{server.url}/console/review")
    expect(tiles(page)).to_have_count(6)
    page.keyboard.press("Meta+d")  # a bookmark, on a Mac
    for _ in range(3):
        page.keyboard.down("g")
    page.keyboard.up("g")
    page.keyboard.press("u")
    become(lambda: judged(server), {ids[0]: "good", ids[1]: "unsure"})
    page.goto(f"{server.url}/console/inspection/{ids[2]}")
    said = page.get_by_role("listitem").filter(has_text=": unsure")
    expect(page.get_by_text("Nobody has judged it.")).to_be_visible()
    for _ in range(3):
        page.keyboard.down("u")
    page.keyboard.up("u")
    page.keyboard.press("g")
    expect(page.get_by_role("listitem").filter(has_text=": good")).to_have_count(1)
    expect(said).to_have_count(1)


def test_shift_selects_several_that_one_key_judges(page: Page, serve: Serve, data: Path) -> None:
    ids = seed(data, 40)
    server = serve(record=True)
    page.goto(f"{server.url}/console/review")
    expect(tile(page, ids[0])).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowRight")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_text("4 pictures are judged by the next key")).to_be_visible()
    page.get_by_text("Kind of defect, note").click()
    page.get_by_label("Kind of defect").fill("scratch")
    page.get_by_label("Your name").fill("ann")
    grid(page).focus()
    page.keyboard.press("d")
    become(lambda: judged(server), dict.fromkeys(ids[1:5], "defect"))
    history = asked(server, f"/v1/inspections/{ids[3]}/judgements")
    assert history["said"][0]["kind"] == "scratch" and history["said"][0]["reviewer"] == "ann"
    tile(page, ids[6]).click()
    tile(page, ids[9]).click(modifiers=["Shift"])
    expect(page.locator("[role=option][aria-selected=true]")).to_have_count(4)
    page.keyboard.press("g")
    become(lambda: len(judged(server)), 8)
    page.keyboard.press("Control+z")
    become(lambda: judged(server), dict.fromkeys(ids[1:5], "defect"))
    page.keyboard.press("ArrowLeft")
    page.keyboard.press(" ")
    expect(page).to_have_url(f"{server.url}/console/inspection/{ids[5]}")
    page.go_back()
    expect(page.locator(".focused [role=option]")).to_have_id(f"tile-{ids[5]}")


def test_what_one_reviewer_said_is_taken_back_as_his_after_another_name_was_typed(
    page: Page, serve: Serve, data: Path
) -> None:
    ids = seed(data, 3)
    server = serve(record=True)
    page.goto(f"{server.url}/console/review")
    page.get_by_text("Kind of defect, note").click()
    page.get_by_label("Your name").fill("ann")
    tile(page, ids[0]).click()
    page.keyboard.press("g")
    become(lambda: judged(server), {ids[0]: "good"})
    page.get_by_label("Your name").fill("bob")
    page.get_by_role("button", name="Undo").first.click()
    become(lambda: judged(server), {})


def hold_the_first(page: Page) -> list[Route]:
    """Holds the first request that judges; those after it pass."""
    held: list[Route] = []
    page.route(
        "**/v1/inspections/judgements",
        lambda route: route.continue_() if held else held.append(route),
    )
    return held


def fail(page: Page, held: list[Route]) -> None:
    eventually(lambda: page.title() and held)
    problem = {"code": "record_unavailable", "title": "The record", "detail": "cannot be written"}
    held[0].fulfill(status=503, json=problem)
    expect(page.get_by_role("alert")).to_contain_text("cannot be written")


def test_what_is_said_while_a_judgement_fails_is_shown_as_the_record_has_it(
    page: Page, serve: Serve, data: Path
) -> None:
    ids = seed(data, 3)
    server = serve(record=True)
    page.goto(f"{server.url}/console/review")
    held = hold_the_first(page)
    for key in "dg":
        tile(page, ids[0]).click()
        page.keyboard.press(key)
    fail(page, held)
    become(lambda: judged(server), {ids[0]: "good"})
    expect(tile(page, ids[0])).to_contain_text("judged good")
    page.keyboard.press("Control+z")
    become(lambda: judged(server), {})
    expect(tile(page, ids[0])).to_contain_text("not judged")


def test_where_two_judgements_of_a_picture_fail_it_is_shown_as_it_was(
    page: Page, serve: Serve, data: Path
) -> None:
    ids = seed(data, 3)
    page.goto(f"{serve(record=True).url}/console/review")
    held: list[Route] = []
    page.route("**/v1/inspections/judgements", lambda route: held.append(route))
    for key in "dg":
        tile(page, ids[0]).click()
        page.keyboard.press(key)
    fail(page, held)
    eventually(lambda: page.title() and len(held) == 2)
    held[1].abort()
    expect(tile(page, ids[0])).to_contain_text("not judged")


def test_taking_back_a_judgement_that_has_failed_leaves_what_was_said_before(
    page: Page, serve: Serve, data: Path
) -> None:
    ids = seed(data, 3)
    server = serve(record=True)
    told(server, "/v1/inspections/judgements", {"ids": ids[:1], "judgement": "good"})
    page.goto(f"{server.url}/console/review")
    held = hold_the_first(page)
    tile(page, ids[0]).click()
    page.keyboard.press("d")
    page.keyboard.press("Control+z")
    fail(page, held)
    tile(page, ids[1]).click()
    page.keyboard.press("u")  # which waits for what was asked before it
    wanted = {ids[0]: "good", ids[1]: "unsure"}
    become(lambda: page.title() and judged(server), wanted)
    expect(tile(page, ids[0])).to_contain_text("judged good")


def test_a_name_of_a_time_without_keys_is_not_sent_to_a_server_that_has_them(
    page: Page, serve: Serve, data: Path
) -> None:
    ids = seed(data, 3)
    server = serve(record=True, keys=True)
    page.add_init_script("localStorage.setItem('reviewer', 'ann')")
    page.goto(f"{server.url}/console/review")
    log_in(page, "all")
    tile(page, ids[0]).click()
    page.keyboard.press("g")
    path = f"/v1/inspections/{ids[0]}/judgements"
    become(
        lambda: [one["reviewer"] for one in asked(server, path, secret("all"))["said"]],
        ["all"],
    )


def test_who_comes_back_finds_the_same_pictures_selected_although_others_have_come(
    page: Page, serve: Serve, data: Path
) -> None:
    ids = seed(data, 30)
    server = serve(record=True)
    page.goto(f"{server.url}/console/review")
    tile(page, ids[2]).click()
    tile(page, ids[4]).click(modifiers=["Shift"])
    page.keyboard.press(" ")
    expect(page).to_have_url(f"{server.url}/console/inspection/{ids[4]}")
    seed(data, 1)
    page.go_back()
    expect(tiles(page)).to_have_count(31)
    expect(page.locator(".focused [role=option]")).to_have_id(f"tile-{ids[4]}")
    page.keyboard.press("g")
    become(lambda: judged(server), dict.fromkeys(ids[2:5], "good"))


def test_a_shared_address_shows_the_same_view_and_back_goes_back(
    new_page: Callable[..., Page], serve: Serve, data: Path
) -> None:
    ids = seed(data, 30, lambda number: {"station": ("north", "south")[number % 2], "lot": "L 1/ü"})
    page = new_page()
    page.goto(f"{serve(record=True).url}/console/review")
    page.get_by_role("link", name="Samples").click()
    page.get_by_label("Filter by").select_option("Station")
    page.get_by_label("Value").fill("south")
    page.get_by_role("button", name="Add filter").click()
    page.get_by_label("Filter by").select_option("Lot")
    page.get_by_label("Value").fill("L 1/ü")
    page.get_by_role("button", name="Add filter").click()
    page.get_by_label("Filter by").select_option("Score at least")
    page.get_by_label("Value").fill("0.1")
    page.get_by_role("button", name="Add filter").click()
    wanted = [f"tile-{ids[29 - number]}" for number in range(29, -1, -6)]
    other = new_page()
    other.goto(page.url)
    for one in (page, other):
        expect(tiles(one)).to_have_count(5)
        shown = tiles(one).evaluate_all("all => all.map((one) => one.id)")
        assert shown == wanted
    page.get_by_role("button", name="Remove the filter Station: south").click()
    expect(tiles(page)).to_have_count(10)
    page.go_back()
    expect(tiles(page)).to_have_count(5)


@pytest.mark.parametrize("page_of", ["review", "review/calendar", "audit", "audit/changes"])
def test_a_time_in_an_address_that_is_no_date_is_answered_or_refused_in_words(
    page: Page, serve: Serve, data: Path, page_of: str
) -> None:
    seed(data, 3)
    url = f"{serve(record=True).url}/console/{page_of}"
    page.goto(f"{url}?since=-8h")
    shown = "From: -8h" if "review" in page_of else "From"
    expect(page.get_by_text(shown).first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    page.goto(f"{url}?since=lastT1")
    if page_of == "review/calendar":  # which asks for a month
        expect(page.locator(".month a").first).to_be_visible()
    else:
        expect(page.get_by_role("alert").first).to_contain_text("is no point in time")


def test_yesterdays_rejects_are_three_clicks_away(page: Page, serve: Serve, data: Path) -> None:
    noon = datetime(2026, 3, 9, 12)
    ids = seed(data, 8, end_us=int(noon.timestamp() * 1e6), gap_us=DAY_US)
    page.clock.set_fixed_time(noon)  # no midnight comes between
    page.goto(serve(record=True).url)
    page.get_by_role("link", name="Review", exact=True).click()
    page.get_by_role("link", name="Yesterday's rejects").click()
    expect(page.get_by_text("1 inspection, the newest first.")).to_be_visible()
    expect(tile(page, ids[1])).to_be_visible()


def test_the_calendar_tells_what_nobody_has_judged_and_leads_there(
    page: Page, serve: Serve, data: Path
) -> None:
    end = datetime(2026, 3, 2, 12)
    seed(data, 8, end_us=int(end.timestamp() * 1e6), gap_us=DAY_US // 24)
    page.clock.set_fixed_time(end)  # no month ends between
    page.goto(f"{serve(record=True).url}/console/review/calendar")
    day = page.get_by_role("link", name="2 8 to judge")
    expect(day).to_have_attribute("title", re.compile("8 not judged, 0 judged; 3 rejects"))
    day.click()
    expect(tiles(page)).to_have_count(8)
    expect(page.get_by_role("button", name="Remove the filter From")).to_be_visible()
    page.get_by_role("link", name="Calendar").click()
    page.get_by_role("button", name="Earlier month").click()
    expect(page.get_by_role("link", name="15", exact=True)).to_be_visible()
    expect(page.get_by_text("to judge")).to_have_count(0)


def test_how_far_back_passed_parts_can_be_looked_at_is_said_and_they_are_found(
    page: Page, serve: Serve, data: Path
) -> None:
    def recent(number: int) -> dict[str, Any]:
        return {
            **{"kept": "recent", "anomalous": False, "regions": None},
            "station": ("press-1", "press-2")[number % 2],
        }

    # The last one a moment ago, the first one six hours.
    seed(data, 4, recent, gap_us=DAY_US // 12)
    url = serve(record=True).url
    page.goto(f"{url}/console/review")
    said = r"Passed parts can still be looked at back to .+ \(4 h\) at press-2, and further back"
    expect(page.get_by_text(re.compile(said))).to_be_visible()
    # Nobody has to go through them.
    expect(page.get_by_text("No inspection meets the filters.")).to_be_visible()
    page.get_by_role("link", name="Recent", exact=True).click()
    expect(tiles(page)).to_have_count(4)
    page.goto(f"{url}/console/review?station=press-1&kept=recent")
    expect(tiles(page)).to_have_count(2)
    said = r"Passed parts of press-1 can still be looked at back to .+ \(6 h\)\."
    expect(page.get_by_text(re.compile(said))).to_be_visible()


def test_without_recent_pictures_nothing_is_said_of_them(
    page: Page, serve: Serve, data: Path
) -> None:
    seed(data, 3)
    page.goto(f"{serve(record=True).url}/console/review")
    expect(tiles(page)).to_have_count(3)
    expect(page.get_by_text("can still be looked at")).to_have_count(0)


def test_the_first_tiles_that_are_drawn_stand_side_by_side(
    page: Page, serve: Serve, data: Path
) -> None:
    ids = seed(data, 3)
    # Whoever watches for another size hears nothing.
    page.add_init_script("window.ResizeObserver = class { observe() {} disconnect() {} }")
    page.goto(f"{serve(record=True).url}/console/review")
    expect(tiles(page)).to_have_count(3)
    first, second = (tile(page, number).bounding_box() for number in ids[:2])
    assert first is not None and second is not None
    assert first["y"] == second["y"]
    assert first["x"] < second["x"]


def test_tiles_that_an_outage_has_kept_away_come_when_it_is_over(
    page: Page, serve: Serve, data: Path
) -> None:
    seed(data, 230)
    lost: list[Route] = []
    page.route(
        lambda url: "cursor=" in url,
        lambda route: route.continue_() if lost else (lost.append(route), route.abort()),
    )
    page.goto(f"{serve(record=True).url}/console/review")
    eventually(lambda: page.title() and lost)
    expect(page.get_by_text("230 inspections, the newest first.")).to_be_visible()
    expect(page.get_by_text("The server does not answer")).to_have_count(0)
    grid(page).press("End")
    expect(page.locator(".focused [role=option]")).to_have_attribute("aria-posinset", "230")


def test_a_thousand_are_scrolled_through_without_a_hole(
    new_page: Callable[..., Page], serve: Serve, data: Path
) -> None:
    ids = seed(data, 1000)
    page = new_page(viewport={"width": 1920, "height": 1200})
    page.goto(f"{serve(record=True).url}/console/review")
    expect(page.get_by_text("1,000 inspections")).to_be_visible()
    whole = grid(page).evaluate("box => box.scrollHeight / box.clientHeight")
    shown: set[str] = set()
    for screen in range(int(whole) + 1):
        grid(page).evaluate("(box, screen) => box.scrollTo(0, screen * box.clientHeight)", screen)
        page.wait_for_function(_FILLED)
        shown |= set(tiles(page).evaluate_all("all => all.map((one) => one.id)"))
    assert shown == {f"tile-{number}" for number in ids}
    assert tiles(page).count() < 150
    page.keyboard.press("Home")
    expect(tile(page, ids[0])).to_be_visible()
    page.keyboard.press("End")
    expect(tile(page, ids[-1])).to_be_visible()
    page.get_by_role("link", name="Calendar").click()
    page.go_back()
    expect(tile(page, ids[-1])).to_be_visible()


_FILLED = """() => {
  const grid = document.querySelector(".grid");
  const box = grid.getBoundingClientRect();
  const columns = Math.max(1, Math.floor(grid.clientWidth / 168));
  const placed = (tile) => [tile, tile.getBoundingClientRect()];
  const places = [...grid.querySelectorAll(".place")].map(placed);
  const seen = places.filter(([, place]) => place.bottom > box.top && place.top < box.bottom);
  return seen.length >= columns * Math.floor(box.height / 184) - columns
    && seen.every(([tile]) => tile.querySelector("img")?.naturalWidth > 0);
}"""
"""Whether every place of the grid that is seen has a tile with its picture."""


def test_the_verdict_of_a_tile_is_small_beside_its_score(
    page: Page, serve: Serve, data: Path
) -> None:
    seed(data, 7)
    page.goto(f"{serve(record=True).url}/console/review")
    expect(tiles(page).first).to_be_visible()
    verdict, score = page.locator(".thumb + .caption").first.locator("> *").all()
    size = "one => getComputedStyle(one).fontSize"
    assert verdict.evaluate(size) == score.evaluate(size)


def test_a_large_score_is_written_out(page: Page, serve: Serve, data: Path) -> None:
    (number,) = seed(data, 1, lambda _: {"score": 12345.6})
    page.goto(f"{serve(record=True).url}/console/review")
    expect(tile(page, number)).to_contain_text("12346")


def test_hovering_shows_the_regions_and_the_heatmap_comes_on_demand(
    page: Page, serve: Serve, data: Path
) -> None:
    ids = seed(data, 7)
    server = serve(record=True)
    page.goto(f"{server.url}/console/review")
    boxes = tile(page, ids[3]).locator(".boxes")
    expect(tile(page, ids[3])).to_be_visible()
    expect(boxes).to_be_hidden()
    tile(page, ids[3]).hover()
    expect(boxes).to_be_visible()
    assert boxes.locator("rect").count() == 1
    page.get_by_role("button", name="Heatmap").click()
    picture = page.get_by_role("img", name=f"Picture of inspection {ids[0]}")
    expect(picture).to_have_attribute("src", f"/v1/inspections/{ids[0]}/overlay")


def test_what_others_said_and_who_has_looked_is_told(page: Page, serve: Serve, data: Path) -> None:
    ids = seed(data, 3)
    server = serve(record=True)
    body = {"ids": ids[:1], "judgement": "defect", "reviewer": "ben", "note": "see the edge"}
    told(server, "/v1/inspections/judgements", body)
    page.goto(f"{server.url}/console/review")
    detail = page.get_by_label("The picture with the focus")
    expect(detail).to_contain_text("ben: Defect")
    expect(detail).to_contain_text("see the edge")
    expect(detail).to_contain_text("Seen by ben.")
    become(lambda: len(asked(server, f"/v1/inspections/{ids[0]}/judgements")["seen"]), 2)


def test_a_proposed_threshold_is_applied_with_a_reason(
    page: Page, serve: Serve, data: Path, tmp_path: Path
) -> None:
    def row(number: int) -> dict[str, Any]:
        judgement = "defect" if number % 3 == 0 else "good"
        return {
            "model": "pitting",
            "judgement": judgement,
            "score": 0.9 if number % 3 == 0 else 0.3,
        }

    seed(data, 300, row)
    # The server writes the threshold into the model's folder.
    server = serve(Path(shutil.copytree(BANK, tmp_path / "bank")), record=True)
    page.goto(f"{server.url}/console/review/figures?kept=sample")
    expect(page.get_by_label("Rejects that are good").first).to_be_visible()
    page.get_by_role("link", name="pitting 1").click()
    expect(page.get_by_text("by 200 judged good and 100 judged defects")).to_be_visible()
    page.get_by_role("button", name="Apply this threshold").click()
    page.get_by_label("Why").fill("review of week 9")
    page.get_by_role("dialog").get_by_role("button", name="Apply this threshold").click()
    expect(page.get_by_text("The threshold is 0.300 now.")).to_be_visible()
    entry = asked(server, "/v1/audit?limit=1")["entries"][0]
    assert (entry["action"], entry["reason"]) == ("threshold_changed", "review of week 9")


def test_where_few_are_judged_good_another_share_can_be_asked_for(
    page: Page, serve: Serve, data: Path
) -> None:
    def row(number: int) -> dict[str, Any]:
        is_bad = number % 3 == 0
        judgement = "defect" if is_bad else "good"
        return {"model": "pitting", "judgement": judgement, "score": 0.9 if is_bad else 0.3}

    seed(data, 30, row)
    url = serve(record=True).url
    page.goto(f"{url}/console/review/figures?kept=any&model=pitting&version=1")
    # 20 of them do not tell 1 %.
    told = page.get_by_role("status").filter(has_text="needs at least 99")
    expect(told).to_be_visible()
    page.get_by_label("Good parts that may be rejected, in per cent").fill("5")
    page.get_by_label("Good parts that may be rejected, in per cent").press("Tab")
    expect(page.get_by_text("by 20 judged good and 10 judged defects")).to_be_visible()
    expect(told).to_have_count(0)


def test_texts_of_others_are_texts(page: Page, serve: Serve, data: Path) -> None:
    evil: dict[str, Any] = {name: EVIL for name in ("station", "lot", "part", "caller", "model")}
    ids = seed(data, 3, lambda number: evil | {"tags": json.dumps({EVIL: EVIL})})
    server = serve(record=True)
    page.goto(f"{server.url}/console/review?station={EVIL.replace(' ', '%20')}")
    expect(tiles(page)).to_have_count(3)
    page.get_by_text("Kind of defect, note").click()
    for name in ("Kind of defect", "Note", "Your name"):
        page.get_by_label(name, exact=True).fill(EVIL[:64])
    grid(page).focus()
    page.keyboard.press("d")
    become(lambda: len(judged(server)), 1)
    tile(page, ids[0]).click()
    expect(page.get_by_text(EVIL[:64]).first).to_be_visible()
    expect(page.locator("td", has_text=EVIL)).to_have_count(6)
    for view in ("calendar", "figures"):
        page.goto(f"{server.url}/console/review/{view}?model={EVIL.replace(' ', '%20')}")
        expect(
            page.get_by_role("button", name=re.compile("Remove the filter Model"))
        ).to_be_visible()
    expect(page).to_have_title("Review – Takt")
    assert page.locator("img[src=x]").count() == 0


def test_a_key_that_may_only_read_is_not_offered_to_judge(
    page: Page, serve: Serve, data: Path
) -> None:
    ids = seed(data, 3)
    server = serve(record=True, keys=True)
    page.goto(f"{server.url}/console/review")
    log_in(page, "scraper")
    expect(tile(page, ids[0])).to_be_visible()
    expect(page.get_by_text("Judging needs a key with the scope review")).to_be_visible()
    expect(page.get_by_role("button", name="Defect (D)")).to_have_count(0)
    page.keyboard.press("d")
    expect(tile(page, ids[0])).to_contain_text("not judged")


def test_without_a_record_the_page_says_how_to_start_one(page: Page, serve: Serve) -> None:
    page.goto(f"{serve().url}/console/review")
    expect(page.get_by_text("takt serve --record sqlite")).to_be_visible()
