"""Every page as the documentation shows it, light and dark; `make pictures` keeps the pictures."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.console.conftest import BANK, ROOT, Serve
from tests.console.scene import MODEL, fade_a_lamp, pictures, work_a_shift
from tests.console.test_stations import save_recipe
from tests.docs.pictures import folder_for, keep

pytestmark = pytest.mark.browser

_DOCS = ROOT / "docs/console"
_QUALITY = 85
"""Of the pictures, in WebP."""

_DRAWN = """() => [...document.images].every((image) => image.complete)
  && document.getAnimations().length === 0"""

Prepare = Callable[[Page], None]


def _drop_pictures(page: Page) -> None:
    page.set_input_files("input[type=file]", [pictures("pitting")[2], *pictures("good")[:3]])
    expect(page.locator(".verdict.large")).to_be_visible()
    expect(page.locator(".verdict.small")).to_have_count(5)


def _send_frames(page: Page) -> None:
    parts = [*pictures("good")[:4], pictures("pitting")[4], pictures("good")[4]]
    page.get_by_label("Video or pictures").set_input_files([*parts, pictures("pitting")[3]])
    expect(page.get_by_text("All frames are answered")).to_be_visible()
    expect(page.locator(".rejects a").nth(1)).to_be_visible()


def _fade_a_lamp(url: str, page: Page) -> None:
    fade_a_lamp(url, "press-1")
    _see(".then-now img", page)
    expect(page.get_by_role("figure", name="Course: Brightness")).to_be_visible()


def _see(selector: str, page: Page) -> None:
    expect(page.locator(selector).first).to_be_visible()


def _recipes(url: str, page: Page) -> None:
    """Two recipes, one of which has been changed."""
    save_recipe(url, "lid", 8)
    camera = {"exposure_us": 900, "light": "ring"}
    top = {"name": "top", "model": MODEL, "camera": camera}
    side = {"name": "side", "model": MODEL, "thresholds": {"image": 0.41, "pixel": 1e30}}
    for views, reason in (([top], "the first part"), ([top, side], "a second camera")):
        body = {"number": 7, "deadline_ms": 800, "alpha": 0.01, "views": views, "reason": reason}
        httpx.put(f"{url}/v1/recipes/bracket", json=body).raise_for_status()
    page.reload()
    _see("article", page)


PAGES: dict[str, tuple[str, Prepare]] = {
    "try": ("try", _drop_pictures),
    "review": ("review", partial(_see, "aside img, aside canvas")),
    "models": (f"models/{MODEL}", partial(_see, ".chart canvas")),
    "learn": ("learn", partial(_see, "form")),
    "health": ("health", partial(_see, ".chart canvas")),
    "audit": ("audit", partial(_see, "table")),
    "live": ("live", _send_frames),
}


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_every_page_shows_a_shift(
    new_page: Callable[..., Page], serve: Serve, tmp_path: Path, theme: str
) -> None:
    server = serve(BANK, record=True)
    rejects = work_a_shift(server.url)
    closed = serve(BANK, keys=True)
    page = new_page(color_scheme=theme)
    folder = folder_for(tmp_path) / "console"
    shown = {name: (f"{server.url}/console/{path}", see) for name, (path, see) in PAGES.items()}
    rejected = f"{server.url}/console/inspection/{rejects[0]}"
    shown["inspection"] = rejected, partial(_see, ".gauge-bar")
    shown["watch"] = f"{server.url}/console/watch", partial(_fade_a_lamp, server.url)
    shown["recipes"] = f"{server.url}/console/recipes", partial(_recipes, server.url)
    shown["login"] = f"{closed.url}/console/", partial(_see, "input[type=password]")
    for name, (address, prepare) in shown.items():
        page.goto(address)
        prepare(page)
        page.wait_for_function(_DRAWN)
        picture = Image.open(io.BytesIO(page.screenshot()))
        keep(picture, folder / f"{name}-{theme}.webp", quality=_QUALITY)
    made, kept = ({path.name for path in one.glob(f"*-{theme}.webp")} for one in (folder, _DOCS))
    assert made == kept
