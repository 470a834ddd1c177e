"""Every page as the documentation shows it, light and dark.

`TAKT_SCREENSHOTS=docs/console` before the command keeps the pictures there.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.console.conftest import BANK, ROOT, Serve
from tests.console.scene import MODEL, pictures, work_a_shift

pytestmark = pytest.mark.browser

_DOCS = ROOT / "docs/console"
_LOSS = 85
"""Quality of the pictures, in WebP."""

Shot = Callable[[str], None]


def _try(page: Page) -> None:
    page.set_input_files("input[type=file]", [pictures("pitting")[2], *pictures("good")[:3]])
    expect(page.locator(".verdict.large")).to_be_visible()


def _live(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def _stream(page: Page) -> None:
    parts = [*pictures("good")[:4], pictures("pitting")[4], pictures("good")[4]]
    page.get_by_label("Video or pictures").set_input_files([*parts, pictures("pitting")[3]])
    expect(page.get_by_text("All frames are answered")).to_be_visible()
    expect(page.locator(".rejects a").nth(1)).to_be_visible()


PAGES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "try": ("try", _try),
    "review": ("review", _live),
    "models": (f"models/{MODEL}", _live),
    "learn": ("learn", _live),
    "health": ("health", _live),
    "live": ("live", _stream),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_shows_a_shift(
    new_page: Callable[..., Page], serve: Serve, tmp_path: Path, theme: str
) -> None:
    server = serve(BANK, record=True)
    rejects = work_a_shift(server.url)
    page = new_page(color_scheme=theme)
    folder = Path(os.environ.get("TAKT_SCREENSHOTS", tmp_path))
    shown = {**PAGES, "inspection": (f"inspection/{rejects[0]}", _live)}
    for name, (path, prepare) in shown.items():
        page.goto(f"{server.url}/console/{path}")
        prepare(page)
        page.wait_for_timeout(1500)
        picture = Image.open(io.BytesIO(page.screenshot()))
        picture.convert("RGB").save(folder / f"{name}-{theme}.webp", quality=_LOSS)
    assert {path.name for path in folder.glob(f"*-{theme}.webp")} >= {
        path.name for path in _DOCS.glob(f"*-{theme}.webp")
    }
