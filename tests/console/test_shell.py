"""The head of every page: where it leads, who is logged in, and whether the server answers."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.api.keys import secret
from tests.console.conftest import BANK, Serve, key_field, log_in

pytestmark = pytest.mark.browser

PAGES = ("Live", "Try", "Review", "Models", "Learn", "Health")


def test_the_root_leads_to_every_page_without_a_word_to_another_host(
    page: Page, serve: Serve
) -> None:
    server = serve()
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(re.sub(r"(//[^/]*).*", r"\1", request.url)))
    page.goto(server.url)
    for name in PAGES:
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page).to_have_title(f"{name} – Takt")
        expect(page.locator("nav [aria-current=page]")).to_have_text(name)
        expect(page.locator("header [aria-live]")).to_have_text(name)  # heard by screen readers
    page.go_back()
    expect(page).to_have_title("Learn – Takt")
    assert hosts == {server.url}


def test_learn_is_in_the_head_for_those_who_may_operate_and_for_nobody_else(
    new_page: Callable[..., Page], serve: Serve
) -> None:
    server = serve(keys=True)
    for name, is_led in (("leader", True), ("scraper", False)):
        page = new_page()
        page.goto(f"{server.url}/console/health")
        log_in(page, name)
        expect(page.get_by_role("link", name="Health", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="Learn", exact=True)).to_have_count(int(is_led))


def test_a_key_that_may_not_read_is_told_so_by_every_page(page: Page, serve: Serve) -> None:
    server = serve(keys=True)
    page.goto(f"{server.url}/console/health")
    log_in(page, "camera")
    for name in ("Live", "Stations", "Recipes", "Try", "Review", "Watch", "Models", "Audit"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.get_by_role("status")).to_contain_text("lacks the scope “read”")
        expect(page.get_by_role("alert")).to_have_count(0)


def test_no_link_moves_away_from_where_it_was_first_shown(page: Page, serve: Serve) -> None:
    asked: list[Route] = []
    page.route("**/v1/session", lambda route: asked.append(route))
    server = serve()
    with page.expect_request("**/v1/session"):
        page.goto(f"{server.url}/console/health")
    expect(page.get_by_role("link", name="Takt")).to_be_visible()
    places = page.locator("nav a")
    assert places.count() == 0
    asked[0].continue_()
    expect(places.last).to_have_text("Audit")


def test_a_page_that_is_none_is_told_and_leads_back(page: Page, serve: Serve) -> None:
    page.goto(f"{serve().url}/console/none")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")


def test_a_wrong_key_is_told_and_a_right_one_opens_the_page_that_was_asked_for(
    page: Page, serve: Serve
) -> None:
    server = serve(keys=True)
    page.goto(f"{server.url}/console/models")
    key = key_field(page)
    key.fill("takt_wrong")
    key.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("does not know this key")
    key.fill(secret("leader"))
    key.press("Enter")
    expect(page.locator("header")).to_contain_text("leader")
    expect(page).to_have_title("Models – Takt")
    assert page.context.cookies()[0]["httpOnly"]
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def test_a_key_that_was_pasted_with_its_quotation_marks_is_a_wrong_key_and_no_outage(
    page: Page, serve: Serve
) -> None:
    server = serve(keys=True)
    page.goto(f"{server.url}/console/live")
    key_field(page).fill(f"“{secret('leader')}”")
    key_field(page).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("does not know this key")
    expect(page.get_by_text("The server does not answer")).to_have_count(0)


def test_who_logs_out_in_an_outage_is_told_that_the_server_does_not_answer(
    page: Page, serve: Serve
) -> None:
    server = serve(keys=True)
    page.goto(f"{server.url}/console/live")
    log_in(page, "leader")
    page.route("**/v1/session", lambda route: route.fulfill(status=500, json={"detail": "no luck"}))
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("alert")).to_contain_text("no luck")
    page.unroute("**/v1/session")
    server.process.kill()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("The server does not answer")).to_be_visible()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def test_a_server_that_dies_is_told_at_once_and_one_that_is_back_needs_no_reload(
    page: Page, serve: Serve
) -> None:
    server = serve()
    page.goto(server.url)
    # A page that has not come before the outage is loaded anew after it.
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.evaluate("window.same = true")
    server.process.kill()
    away = page.get_by_role("status").filter(has_text="The server does not answer")
    expect(away).to_be_visible()
    serve(BANK, "--port", server.url.rpartition(":")[2])
    expect(away).to_be_hidden()
    assert page.evaluate("window.same")


@pytest.mark.parametrize(
    ("begin", "link", "heading"),
    [("words", "Health", "Health"), ("review", "Mistakes and threshold", "Proposed threshold")],
)
def test_a_page_that_was_asked_for_in_an_outage_comes_when_the_server_is_back(
    page: Page, serve: Serve, begin: str, link: str, heading: str
) -> None:
    server = serve(record=True)
    page.goto(f"{server.url}/console/{begin}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    server.process.kill()
    page.get_by_role("link", name=link).click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_text("The server does not answer").first).to_be_visible()
    serve(BANK, "--port", server.url.rpartition(":")[2], record=True)
    expect(page.get_by_role("heading", name=heading)).to_be_visible()


@pytest.mark.parametrize(
    "path",
    [
        "models",
        pytest.param("models/pitting?version=1", marks=pytest.mark.slow),
        "watch",
        pytest.param("stations", marks=pytest.mark.slow),
    ],
)
def test_an_outage_is_told_once_and_of_when_the_numbers_are(
    page: Page, serve: Serve, path: str
) -> None:
    server = serve(record=True)
    page.goto(f"{server.url}/console/{path}")
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    server.process.kill()
    former = page.get_by_text(re.compile(r"What is below is of 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\."))
    expect(former).to_be_visible()
    with page.expect_event("requestfailed", lambda request: "/v1/" in request.url):
        pass  # those that ask by themselves have found it out, too
    expect(page.get_by_text("The server does not answer")).to_have_count(1)
    expect(page.get_by_role("heading", name="Nothing was inspected yet")).to_have_count(0)
    serve(BANK, "--port", server.url.rpartition(":")[2], record=True)
    expect(page.get_by_text("The server does not answer")).to_be_hidden()
    expect(former).to_be_hidden()


def test_the_theme_is_chosen_and_stays(page: Page, serve: Serve) -> None:
    page.goto(serve().url)
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    page.reload()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 24)"


def test_the_first_stop_of_the_keyboard_leads_past_the_head(page: Page, serve: Serve) -> None:
    page.goto(serve().url)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
