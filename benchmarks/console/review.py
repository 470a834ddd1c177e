"""The page Review before a record of 10,000 inspections: how soon it is there, and how it scrolls.

    python -m benchmarks.console.review [--count 10000] [--runs 10]

A seeded record is served by `takt serve`. Chromium opens the page with an empty cache; time counts
from the navigation until every tile that is seen has its thumbnail, while the others still load.
Then it scrolls from top to bottom, a screen at a time, and waits until no place is empty. Beside
it, what the API takes for 10,000 inspections: as tiles, and as `GET /v1/inspections` has them.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import orjson
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.realtime.server import TaktServer
from tests.console.seeding import seed

BAR_MS = 1000.0
BANK = Path(__file__).parents[2] / "examples/bank"

_WATCH = """
  const full = (tile) => tile.querySelector("img")?.naturalWidth > 0;
  const seen = (box) => (tile) => {
    const place = tile.getBoundingClientRect();
    return place.bottom > box.top && place.top < box.bottom;
  };
  window.holes = () => {
    const grid = document.querySelector(".grid");
    if (!grid) return 1;
    const box = grid.getBoundingClientRect();
    const columns = Math.max(1, Math.floor(grid.clientWidth / 168));
    const tiles = [...grid.querySelectorAll(".place")].filter(seen(box));
    const missing = columns * Math.floor(box.height / 184) - tiles.length;
    return Math.max(0, missing) + tiles.filter((one) => !full(one)).length;
  };
  const look = () => {
    if (window.holes() === 0) window.filledMs = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
"""


def opened(browser: Browser, url: str) -> tuple[Page, float]:
    """The page with an empty cache, and the ms until it shows its first thumbnails."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.add_init_script(_WATCH)
    page.goto(f"{url}/console/review")
    page.wait_for_function("() => window.filledMs > 0")
    return page, float(page.evaluate("window.filledMs"))


def scrolled(page: Page, count: int) -> tuple[float, int]:
    """Seconds from top to bottom, and the tiles that were seen."""
    page.get_by_text(f"{count:,} inspections").wait_for()
    page.wait_for_function(
        "count => document.querySelector('.tile')?.ariaSetSize === String(count)", arg=count
    )
    begun = time.perf_counter()
    ids: set[str] = set()
    screens = page.evaluate(
        "(() => { const g = document.querySelector('.grid');"
        " return Math.ceil(g.scrollHeight / g.clientHeight); })()"
    )
    for screen in range(screens):
        page.evaluate(
            "screen => { const g = document.querySelector('.grid');"
            " g.scrollTo(0, screen * g.clientHeight); }",
            screen,
        )
        page.wait_for_function("() => window.holes() === 0")
        ids |= set(page.locator("[role=option]").evaluate_all("all => all.map((one) => one.id)"))
    return time.perf_counter() - begun, len(ids)


def read_all(url: str, path: str, limit: int) -> tuple[float, int, int]:
    """ms, bytes and number of all that a route has, page after page."""
    begun, size, found, cursor = time.perf_counter(), 0, 0, ""
    while True:
        with urllib.request.urlopen(f"{url}{path}?kept=any&limit={limit}{cursor}") as answer:
            body = answer.read()
        page: dict[str, Any] = orjson.loads(body)
        size += len(body)
        found += len(page.get("tiles") or page["inspections"])
        if page["next"] is None:
            return 1000 * (time.perf_counter() - begun), size, found
        cursor = f"&cursor={page['next']}"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The page Review before a large record.")
    parser.add_argument("--count", type=int, default=10_000, help="inspections of the record")
    parser.add_argument("--runs", type=int, default=10, help="times that the page is opened")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        seed(Path(folder), options.count)
        record = ("--record", "sqlite", "--data-folder", folder)
        chromium = shutil.which("chromium")
        with TaktServer(BANK, *record) as server:
            for path, limit in (("/v1/review/tiles", 2000), ("/v1/inspections", 1000)):
                read_all(server.url, path, limit)
                taken_ms, size, found = read_all(server.url, path, limit)
                print(f"{found:,} of {path}: {taken_ms:.0f} ms, {size / 1e6:.2f} MB")
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            times = []
            for _ in range(options.runs):
                page, taken_ms = opened(browser, server.url)
                times.append(taken_ms)
                if len(times) < options.runs:
                    page.context.close()
            taken_s, seen = scrolled(page, options.count)
            browser.close()
    middle = statistics.median(times)
    print(
        f"opened in {middle:.0f} ms (median of {len(times)}; {min(times):.0f} to {max(times):.0f})"
    )
    print(f"scrolled from top to bottom in {taken_s:.0f} s: {seen:,} tiles, no hole")
    met = middle < BAR_MS and seen == options.count
    print(f"bar: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
