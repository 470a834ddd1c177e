"""What is seen while a page loads stays where it is, and what matters most is seen first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.api.stations.reports import REPORT, RESULT
from tests.console.conftest import BANK, Serve
from tests.console.scene import MODEL, pictures, work_a_shift
from tests.console.test_live import streaming
from tests.console.test_stations import save_recipe

pytestmark = pytest.mark.browser

MOST_SHIFT = 0.05
WATCH = """
window.shifted = [];
new PerformanceObserver((list) => {
  const unasked = list.getEntries().filter((entry) => !entry.hadRecentInput);
  window.shifted.push(...unasked.map(({ value }) => value));
}).observe({ type: "layout-shift", buffered: true });
"""
PAGES = {
    "live": "combobox",
    "stations": "article",
    "stations/press-1": "figure",
    "recipes": "table",
    "recipes/bracket": "list",
    "recipes/bracket?change=1": "group",
    "review": "listbox",
    "review/figures": "table",
    "watch": "figure",
    "models": "table",
    f"models/{MODEL}": "slider",
    "health": "table",
    "audit": "table",
    "words": "heading",
}


@pytest.fixture(scope="module")
def shift(start_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with a shift behind it."""
    folder = str(tmp_path_factory.mktemp("shift"))
    with start_server(BANK, "--record", "sqlite", "--data-folder", folder) as server:
        work_a_shift(server.url, 1)
        report = {**REPORT, "results": [RESULT] * 50}
        httpx.put(f"{server.url}/v1/stations/press-1", json=report).raise_for_status()
        save_recipe(server.url, "bracket", 7)
        yield server.url


@pytest.mark.parametrize(
    "width",
    [pytest.param(390, marks=pytest.mark.slow), 1366, pytest.param(1920, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(("path", "role"), PAGES.items())
def test_nothing_that_is_seen_moves_while_a_page_loads(
    new_page: Callable[..., Page], shift: str, path: str, role: Any, width: int
) -> None:
    page = new_page(viewport={"width": width, "height": 844 if width == 390 else 768})
    page.add_init_script(WATCH)
    page.goto(f"{shift}/console/{path}", wait_until="networkidle")
    expect(page.get_by_role(role).first).to_be_visible()
    assert sum(page.evaluate("window.shifted")) <= MOST_SHIFT


def test_on_a_small_screen_the_picture_tried_is_seen_beside_its_verdict(
    new_page: Callable[..., Page], serve: Serve
) -> None:
    page = new_page(viewport={"width": 1366, "height": 768})
    page.goto(f"{serve().url}/console/try")
    page.set_input_files("input[type=file]", [pictures("good")[0]])
    for seen in (page.locator(".verdict.large"), page.locator(".picture canvas").first):
        expect(seen).to_be_in_viewport(ratio=1)


def test_on_a_phone_the_pictures_of_a_review_begin_in_the_upper_half(
    new_page: Callable[..., Page], shift: str
) -> None:
    page = new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{shift}/console/review")
    first = page.get_by_label("Inspections").get_by_role("option").first
    expect(first).to_be_visible()
    box = first.bounding_box()
    assert box is not None and box["y"] < 422


def test_the_picture_of_the_only_stream_fills_the_wall(
    new_page: Callable[..., Page], serve: Serve
) -> None:
    server = serve()
    page = new_page(viewport={"width": 1920, "height": 1080})
    page.goto(f"{server.url}/console/live")
    with streaming(server, [pictures("good")[0]]) as send:
        send()
        screen = page.locator(".wall .screen")
        expect(screen).to_be_visible()
        box = screen.bounding_box()
        assert box is not None and box["height"] > 540 and box["width"] > 960


def test_on_a_phone_each_column_of_the_models_can_be_reached(
    new_page: Callable[..., Page], shift: str
) -> None:
    page = new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{shift}/console/models")
    last = page.get_by_role("columnheader", name="On disk")
    expect(last).to_be_attached()
    last.scroll_into_view_if_needed()
    expect(last).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_pages_are_named_in_one_row_on_a_phone(
    new_page: Callable[..., Page], shift: str
) -> None:
    page = new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{shift}/console/live")
    head = page.locator("header.head")
    expect(head.get_by_role("link", name="Live")).to_be_visible()
    box = head.bounding_box()
    assert box is not None and box["height"] <= 56
