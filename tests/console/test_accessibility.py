"""No page has a grave fault that axe-core finds, in light and in dark; every target is large."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.api.keys import bearer
from tests.console.every_page import EVERY_PLACE, PLACES, Filled, Place, fill, pages_of_the_router
from tests.console.scene import work_a_shift

pytest.importorskip("axe_playwright_python.base", reason="install axe-playwright-python")

from tests.console.axe import grave_faults

pytestmark = pytest.mark.browser

TARGET_PX = 48
# What a finger meets: a field inside its label is as large as the label.
SMALL = """(least) => [
    ...document.querySelectorAll("button, select, summary, a.button, input, textarea"),
  ]
    .filter((one) => one.checkVisibility() && !one.closest(".unseen"))
    .map((one) => (/checkbox|radio|file/.test(one.type) && one.closest("label")) || one)
    .map((one) => [one, one.getBoundingClientRect()])
    .filter(([, box]) => Math.min(box.height, box.width) < least - 0.5)
    .map(([one, box]) => `${box.width} x ${box.height}: ${one.outerHTML.slice(0, 120)}`)"""


@pytest.fixture(scope="module")
def filled(start_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with fill(start_server, tmp_path_factory.mktemp("filled")) as server:
        yield Filled(server.url, work_a_shift(server.url, 1, bearer("all"))[0])


def test_every_page_of_the_router_is_looked_at() -> None:
    assert {place.page for place in PLACES} == pages_of_the_router()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("place", EVERY_PLACE)
def test_axe_finds_no_grave_fault(
    new_page: Callable[..., Page], filled: Filled, place: Place, scheme: str
) -> None:
    page = new_page(color_scheme=scheme, reduced_motion="reduce")
    place.open(page, filled)
    found = grave_faults(page)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("width", [400, pytest.param(1280, marks=pytest.mark.slow)])
@pytest.mark.parametrize("place", EVERY_PLACE)
def test_every_target_is_large_enough_for_a_glove_and_nothing_sticks_out(
    new_page: Callable[..., Page], filled: Filled, place: Place, width: int
) -> None:
    page = new_page(viewport={"width": width, "height": 800})
    place.open(page, filled)
    small = page.evaluate(SMALL, TARGET_PX)
    assert not small, "\n".join(small)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_fault_would_be_found(page: Page, filled: Filled) -> None:
    PLACES[0].open(page, filled)
    page.evaluate("""() => {
        const field = document.createElement("input");
        const text = document.createElement("p");
        text.textContent = "Hardly to be read";
        text.style.color = "#999";
        document.querySelector("main").append(field, text);
    }""")
    found = "\n".join(grave_faults(page))
    assert "label: " in found
    assert "color-contrast: " in found
