"""Whatever can be pressed is reached by the keyboard alone, and shows that it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.api.keys import bearer
from tests.console.conftest import choose, key_field, log_in
from tests.console.every_page import EVERY_PLACE, Filled, Place, fill
from tests.console.scene import MODEL, pictures, work_a_shift

pytestmark = pytest.mark.browser

# A modal dialog has the keyboard for itself; of a group of radio buttons Tab finds one.
LISTENING = """() => {
    const from = document.querySelector("dialog[open]") ?? document.body;
    const kinds = "a[href], button, input, select, textarea, summary, [tabindex]";
    const wanted = [...from.querySelectorAll(kinds)].filter((one) => one.checkVisibility()
        && one.tabIndex >= 0 && !one.disabled);
    window.reached = new Map();
    document.addEventListener("focusin", ({ target }) => {
        const { outlineStyle, outlineWidth } = getComputedStyle(target);
        reached.set(target, outlineStyle !== "none" && parseFloat(outlineWidth) >= 2);
    });
    const same = (one, other) => other === one || (one.type === "radio" && other.name === one.name);
    const name = (one) => one.outerHTML.slice(0, 120);
    window.missed = () => wanted.filter((one) => one.isConnected && !one.disabled)
        .filter((one) => ![...reached.keys()].some((other) => same(one, other))).map(name);
    window.unseen = () => [...reached].filter(([, seen]) => !seen).map(([one]) => name(one));
    return wanted.length;
}"""


@pytest.fixture(scope="module")
def filled(start_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with fill(start_server, tmp_path_factory.mktemp("filled")) as server:
        yield Filled(server.url, work_a_shift(server.url, 1, bearer("all"))[0])


def tab_to(page: Page, wanted: Locator, most: int = 80) -> None:
    """Go on by the Tab key until something has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(most):
        page.keyboard.press("Tab")
        if wanted.evaluate("one => one === document.activeElement"):
            return
    pytest.fail(f"the keyboard does not reach {wanted}")


@pytest.mark.parametrize("place", EVERY_PLACE)
def test_tab_reaches_everything_and_the_focus_is_seen(
    page: Page, filled: Filled, place: Place
) -> None:
    place.open(page, filled)
    number = page.evaluate(LISTENING)
    assert number
    for _ in range(2 * number + 20):
        page.keyboard.press("Tab")
        if not page.evaluate("missed().length"):
            break
    assert page.evaluate("missed()") == []
    assert page.evaluate("unseen()") == []


def test_health_by_keyboard_alone(page: Page, filled: Filled) -> None:
    page.goto(f"{filled.url}/console/health")
    log_in(page, "scraper")
    condition = page.get_by_role("article", name="TaktVersionNotReady")
    tab_to(page, condition.locator("summary"))
    page.keyboard.press("Enter")
    expect(condition).to_contain_text("Copy it anew, or remove its folder")
    tab_to(page, page.get_by_text("Numbers of “Pictures each second”"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("region", name="Pictures each second"))
    tab_to(page, page.get_by_role("region", name="Times by stage"))
    tab_to(page, page.get_by_label("Address of Grafana"))
    page.keyboard.type("http://grafana.plant")
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="Open Grafana"))
    tab_to(page, condition.get_by_role("link", name=MODEL))
    page.keyboard.press("Enter")
    expect(page).to_have_title("Models – Takt")


def test_pictures_are_chosen_and_looked_at_by_keyboard_alone(page: Page, filled: Filled) -> None:
    page.goto(f"{filled.url}/console/try")
    log_in(page, "all")
    tab_to(page, page.locator("input[type=file]"))
    choose(page, pictures("pitting")[2], pictures("good")[0])
    expect(page.locator(".verdict.large")).to_have_text("Defect")
    tab_to(page, page.get_by_role("list", name="Pictures;").get_by_role("button").nth(1))
    page.keyboard.press("Enter")
    expect(page.locator(".verdict.large")).to_have_text("Good")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".verdict.large")).to_have_text("Defect")


def test_the_keyboard_is_never_left_nowhere_on_try(page: Page, filled: Filled) -> None:
    page.goto(f"{filled.url}/console/try")
    log_in(page, "all")
    tab_to(page, page.locator("input[type=file]"))
    choose(page, pictures("pitting")[2])
    strip = page.get_by_role("list", name="Pictures;")
    expect(strip.get_by_role("button")).to_be_focused()
    slider = page.get_by_role("slider", name="Try another threshold")
    expect(slider).to_have_attribute("aria-valuetext", "100 %")
    tab_to(page, page.get_by_role("button", name="Region 1"))
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "101 %")
    tab_to(page, page.get_by_role("button", name="Back to the threshold"))
    page.keyboard.press("Enter")
    expect(slider).to_be_focused()


def test_the_keyboard_is_never_left_nowhere_on_review(page: Page, filled: Filled) -> None:
    page.goto(f"{filled.url}/console/review/calendar?station=press-1")
    log_in(page, "all")
    tab_to(page, page.get_by_role("button", name="Remove the filter Station"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{filled.url}/console/review/calendar")
    expect(page.get_by_label("Filter by")).to_be_focused()
    tab_to(page, page.get_by_role("link", name="Pictures", exact=True))
    page.keyboard.press("Enter")
    grid = page.get_by_role("listbox", name="Inspections")
    expect(grid).to_be_focused()
    expect(grid.get_by_role("option").first).to_be_visible()
    page.keyboard.press("u")
    tab_to(page, page.get_by_label("Judge", exact=True).get_by_role("button", name="Undo"))
    page.keyboard.press("Enter")
    expect(grid).to_be_focused()


def test_the_page_learn_leaves_the_keyboard_at_its_head_as_it_opens(
    page: Page, filled: Filled
) -> None:
    page.goto(f"{filled.url}/console/models")
    log_in(page, "all")
    expect(page).to_have_title("Models – Takt")
    page.goto(f"{filled.url}/console/learn")
    expect(page.locator(".learning").get_by_role("button").first).to_be_visible()
    # What a page does as it opens, it does before the second frame after that.
    page.evaluate(
        "async () => { for (const _ of [1, 2]) await new Promise(requestAnimationFrame); }"
    )
    tab_to(page, page.get_by_role("link", name="To the content"), most=1)


def test_the_shell_by_keyboard_alone(page: Page, filled: Filled) -> None:
    page.goto(f"{filled.url}/console/models")
    log_in(page, "all")
    expect(page).to_have_title("Models – Takt")
    tab_to(page, page.get_by_role("link", name="To the content"))
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    tab_to(page, page.get_by_role("button", name="Theme: system"))
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    tab_to(page, page.get_by_role("link", name="Health", exact=True))
    page.keyboard.press("Enter")
    expect(page).to_have_title("Health – Takt")
    tab_to(page, page.get_by_role("button", name="Log out"))
    page.keyboard.press("Enter")
    expect(key_field(page)).to_be_focused()
