"""The page Stations: how each fares, and another recipe put in force."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.api.keys import bearer
from tests.api.stations.reports import REPORT, RESULT
from tests.console.conftest import Serve, log_in
from tests.console.every_page import show_station, station_of
from tests.console.scene import MODEL

pytestmark = pytest.mark.browser


Report = Callable[..., Any]


@pytest.fixture
def report() -> Iterator[Report]:
    """Has a station say how it fares, again and again; gives what is wanted of it.

    One that has said nothing for five seconds is silent, and takes no recipe.
    """
    said: dict[str, Any] = {}
    saying, ended = threading.Lock(), threading.Event()

    def say() -> Any:
        with saying:
            answer = httpx.put(**said)
        assert answer.status_code == 200, answer.text
        return answer.json()["wish"]

    def go_on() -> None:
        while not ended.wait(1.0):
            say()

    thread = threading.Thread(target=go_on)

    def begin(url: str, headers: dict[str, str] | None = None, **changed: Any) -> Any:
        with saying:
            body = {**REPORT, **changed}
            said.update(url=f"{url}/v1/stations/press-1", json=body, headers=headers)
        if not thread.is_alive():
            thread.start()
        return say()

    yield begin
    ended.set()
    if thread.is_alive():
        thread.join()


def save_recipe(url: str, name: str, number: int, headers: dict[str, str] | None = None) -> None:
    """Save a recipe of one view."""
    thresholds = {"image": 0.5, "pixel": 1e30}
    view = {"name": "top", "model": MODEL, "thresholds": thresholds}
    body = {"number": number, "deadline_ms": 1000, "views": [view]}
    answer = httpx.put(f"{url}/v1/recipes/{name}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text


def asked_for_recipe_8(page: Page, url: str, report: Report) -> Locator:
    """The dialog that offers the other one of two recipes at a station."""
    save_recipe(url, "bracket", 7)
    save_recipe(url, "bolt", 8)
    report(url)
    page.goto(f"{url}/console/stations/press-1")
    page.get_by_role("button", name="Change the recipe").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Recipe")).to_have_value("8")
    return dialog


def test_where_no_station_runs_the_page_says_how_to_begin(page: Page, serve: Serve) -> None:
    url = serve().url
    page.goto(f"{url}/console/stations")
    notice = page.get_by_role("status").filter(has_text="No station tells")
    expect(notice).to_contain_text(f"takt simulate --url {url}")
    expect(page.get_by_text("Recipes need the record")).to_be_visible()


def test_a_station_is_seen_as_it_says_it_fares_and_its_parts_lead_to_their_inspections(
    page: Page, serve: Serve, report: Report
) -> None:
    url = serve(record=True).url
    save_recipe(url, "bracket", 7)
    report(url, results=[{**RESULT, "result": "ok", "reason": None}, RESULT])
    page.goto(f"{url}/console/stations")
    row = page.get_by_role("row").filter(has_text="bracket")
    expect(row).to_contain_text(f"top: {MODEL} 1")
    card = page.get_by_role("article", name="press-1")
    expect(card).to_contain_text("Parts flow")
    expect(card).to_contain_text("2 good, 0 defects, 1 without a decision")
    card.get_by_role("link", name="press-1").click()
    expect(page.get_by_role("heading", name="Station press-1")).to_be_visible()
    result = page.get_by_role("row").filter(has_text="no verdict in time")
    expect(result).to_contain_text("No decision")
    expect(result).to_contain_text("no verdict in time; Good came 14.5 ms too late")
    expect(
        page.get_by_role("img", name="The last 2 results: 1 good, 0 defects, 1 without")
    ).to_be_visible()
    report(url, online=False, offline_reason="camera", cameras=[{"name": "top", "well": False}])
    expect(page.get_by_text("A camera does not answer.")).to_be_visible()
    expect(page.get_by_text("does not answer", exact=True)).to_be_visible()
    result.get_by_role("link", name="17").click()
    expect(page).to_have_url(f"{url}/console/review?part={RESULT['part_id']}&kept=all")


WORDS: dict[str, tuple[str, str]] = {
    "flowing": ("Parts flow", "good"),
    "undecided": ("No decisions", "undecided"),
    "waiting": ("Waits for a trigger", "none"),
    "no_plc": ("PLC not connected", "undecided"),
    "changing_recipe": ("Recipe is changing", "undecided"),
    "no_recipe": ("No recipe", "undecided"),
    "set_offline": ("Set offline", "undecided"),
    "engine": ("Server not ready", "undecided"),
    "camera": ("Camera missing", "undecided"),
    "fault": ("Fault: late verdicts", "defect"),
    "silent": ("Silent", "undecided"),
}
"""What is read of each, and in the looks of which verdict."""

LARGEST = """() => {
    const size = (one) => parseFloat(getComputedStyle(one).fontSize);
    const texts = [...document.querySelectorAll("main *")].filter((one) => one.checkVisibility()
      && [...one.childNodes].some(({ nodeType, data }) => nodeType === 3 && data.trim()));
    const largest = Math.max(...texts.map(size));
    return texts.filter((one) => size(one) === largest).map((one) => one.textContent);
  }"""


def test_the_largest_word_says_whether_parts_flow_or_what_keeps_them(
    page: Page, serve: Serve
) -> None:
    stations = {flow: station_of(flow=flow) | {"name": flow} for flow in WORDS}
    told = {"stations": [*stations.values()]}
    page.route("**/v1/stations", lambda route: route.fulfill(json=told))
    page.route(
        "**/v1/stations/*",
        lambda route: route.fulfill(json={"station": stations[route.request.url.split("/")[-1]]}),
    )
    page.goto(f"{serve().url}/console/stations")
    cards = page.get_by_role("article")
    expect(cards).to_have_count(len(WORDS))
    assert page.evaluate(LARGEST) == [word for word, _ in WORDS.values()]
    for flow, (word, look) in WORDS.items():
        card = cards.filter(has=page.get_by_role("link", name=flow, exact=True))
        expect(card.locator(f".station-state .verdict.{look}")).to_have_text(word)
        card.get_by_role("link", name=flow, exact=True).click()
        state = page.get_by_role("status").filter(has_text=word)
        expect(state.locator(f".verdict.{look}")).to_have_text(word)
        assert page.evaluate(LARGEST) == [word]
        page.go_back()


def test_another_recipe_is_put_in_force_with_a_reason_and_the_page_waits_for_the_station(
    page: Page, serve: Serve, report: Report
) -> None:
    url = serve(record=True).url
    dialog = asked_for_recipe_8(page, url, report)
    dialog.get_by_label("Why").fill("next lot")
    dialog.get_by_role("button", name="Put in force").click()
    expect(page.get_by_text("The station is asked to put recipe 8 in force.")).to_be_visible()
    wish = report(url)
    assert wish["number"] == 8
    recipe = {"number": 8, "name": "bolt", "changing": False}
    assert report(url, taken=wish["sequence"], recipe=recipe) is None
    expect(page.get_by_text("bolt (8)")).to_be_visible()
    expect(page.get_by_text("is asked to put")).to_be_hidden()
    page.goto(f"{url}/console/audit/changes")
    entry = page.get_by_role("row").filter(has_text="Recipe put in force at a station")
    expect(entry).to_contain_text("next lot")


def test_a_recipe_that_is_offered_stays_while_a_plc_puts_it_in_force(
    page: Page, serve: Serve, report: Report
) -> None:
    url = serve(record=True).url
    dialog = asked_for_recipe_8(page, url, report)
    report(url, recipe={"number": 8, "name": "bolt", "changing": False})
    expect(page.locator(".station-recipe")).to_have_text("bolt (8)")
    expect(dialog.get_by_label("Recipe")).to_have_value("8")
    dialog.get_by_role("button", name="Put in force").click()
    expect(dialog).to_be_hidden()
    assert report(url)["number"] == 8


def test_a_recipe_that_the_server_refuses_is_told_in_its_own_words(
    page: Page, serve: Serve, report: Report
) -> None:
    url = serve(record=True).url
    save_recipe(url, "bracket", 7)
    report(url)
    page.goto(f"{url}/console/stations/press-1")
    page.get_by_role("button", name="Change the recipe").click()
    expect(page.get_by_role("dialog").get_by_label("Recipe")).to_have_value("7")
    httpx.delete(f"{url}/v1/recipes/bracket")
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_role("alert")).to_contain_text("there is no recipe of the number 7")


def test_who_may_look_only_changes_no_recipe(page: Page, serve: Serve, report: Report) -> None:
    url = serve(record=True, keys=True).url
    report(url, bearer("camera"))
    page.goto(f"{url}/console/stations/press-1")
    log_in(page, "scraper")
    expect(page.get_by_text("Your key may look.")).to_be_visible()
    expect(page.get_by_role("button", name="Change the recipe")).to_be_hidden()


def test_a_silent_station_is_said_to_be_so_and_takes_no_recipe(
    new_page: Callable[..., Page], serve: Serve
) -> None:
    page = new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{serve().url}/console/stations/press-1")
    expect(page.get_by_text("No station press-1 tells this server how it fares")).to_be_visible()
    show_station(page, state="silent", flow="silent", silent_ms=12_000.0)
    expect(page.get_by_text("Silent", exact=True)).to_be_visible()
    expect(page.get_by_text("It has said nothing for 12 s.")).to_be_visible()
    expect(page.get_by_text("Whatever stands here was so before.")).to_be_visible()
    expect(page.get_by_role("button", name="Change the recipe")).to_be_hidden()
