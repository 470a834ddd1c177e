"""Every page of the console: how soon something is seen, what moves, and what axe says against it.

    python -m benchmarks.console.pages [--runs 5] [PATH...]

`takt serve` has the shipped model and a record with inspections. Chromium opens each page on a
screen and on a phone, each time with an empty cache, and tells by its own clock when the first
content was painted and how much moved without being asked; axe-core looks at what is there then.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from playwright.sync_api import Browser, Page

from benchmarks.realtime.server import TaktServer
from tests.chromium import chromium
from tests.console.axe import grave_faults
from tests.console.conftest import BANK
from tests.console.every_page import pages_of_the_router
from tests.console.scene import MODEL, work_a_shift

FIRST_PAINT_MS, SHIFT, FAULTS = 500.0, 0.05, 0
SIZES = ((1366, 768), (390, 844))
SETTLED_MS = 1500
"""What comes late comes within this."""

_PATHS = {
    "inspection": ("inspection/{rejected}",),
    "login": (),  # a server without keys asks for none
    "models": ("models", f"models/{MODEL}"),
    "review": ("review", "review/calendar", "review/figures"),
    "audit": ("audit", "audit/changes"),
}
"""Of pages that have more than one view, or that need a number."""

_WATCH = """
window.shifted = 0;
window.moved = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries().filter((entry) => !entry.hadRecentInput)) {
    window.shifted += one.value;
    const names = one.sources.map(({ node }) => node?.className || node?.nodeName || "gone");
    window.moved.push(`${one.value.toFixed(3)} at ${Math.round(one.startTime)} ms: ${names}`);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


@dataclass(frozen=True, slots=True)
class Opened:
    """One page, opened once.

    Attributes:
        first_paint_ms: from the navigation until the first content was painted.
        shift: Chromium's cumulative layout shift.
        moved: each shift, with what it moved.
    """

    first_paint_ms: float
    shift: float
    moved: list[str]


@dataclass(frozen=True, slots=True)
class Row:
    """One page on one screen.

    Attributes:
        path: of the page.
        width: of the screen, in pixels.
        opened: each time.
        faults: serious and critical ones of axe.
    """

    path: str
    width: int
    opened: list[Opened]
    faults: list[str]

    @property
    def middle_ms(self) -> float:
        """Median of the first paints."""
        return statistics.median(one.first_paint_ms for one in self.opened)

    @property
    def worst_ms(self) -> float:
        """The last of the first paints."""
        return max(one.first_paint_ms for one in self.opened)

    @property
    def shift(self) -> float:
        """The largest shift."""
        return max(one.shift for one in self.opened)

    @property
    def moved(self) -> list[str]:
        """What moved, where it was too much."""
        return [line for one in self.opened if one.shift > SHIFT for line in one.moved]

    @property
    def is_met(self) -> bool:
        """Whether it holds all bars."""
        good = self.middle_ms <= FIRST_PAINT_MS and self.shift <= SHIFT
        return good and len(self.faults) <= FAULTS


def paths(rejected: int) -> Iterator[str]:
    """The addresses of all pages that the router knows."""
    for name in sorted(pages_of_the_router()):
        for path in _PATHS.get(name, (name,)):
            yield path.format(rejected=rejected)


def look(browser: Browser, url: str, path: str, size: tuple[int, int], runs: int) -> Row:
    """Open a page some times."""
    opened, faults = [], list[str]()
    for _ in range(runs):
        viewport = {"width": size[0], "height": size[1]}
        context = browser.new_context(locale="en-GB", viewport=viewport)  # type: ignore[arg-type]
        page = context.new_page()
        opened.append(_open(page, f"{url}/console/{path}"))
        faults = faults or grave_faults(page)
        context.close()
    return Row(path, size[0], opened, faults)


def _open(page: Page, address: str) -> Opened:
    page.add_init_script(_WATCH)
    page.goto(address)
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_timeout(SETTLED_MS)
    shifted, moved = page.evaluate("[window.shifted, window.moved]")
    return Opened(page.evaluate(_PAINTED), shifted, moved)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How soon the console's pages are there.")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="such as review; else all")
    parser.add_argument("--runs", type=int, default=5, help="times that each page is opened")
    options = parser.parse_args()
    rows = []
    print(f"{'page':<20}{'width':>6}{'first paint, ms':>17}{'worst':>7}{'shift':>8}{'axe':>5}")
    with (
        tempfile.TemporaryDirectory() as folder,
        TaktServer(BANK, "--record", "sqlite", "--data-folder", folder) as server,
        chromium() as browser,
    ):
        rejected = work_a_shift(server.url, 1)[0]
        for path in options.paths or paths(rejected):
            for size in SIZES:
                row = look(browser, server.url, path, size, options.runs)
                rows.append(row)
                print(
                    f"{row.path:<20}{row.width:>6}{row.middle_ms:>17.0f}{row.worst_ms:>7.0f}"
                    f"{row.shift:>8.3f}{len(row.faults):>5}{'' if row.is_met else '  MISSED'}",
                    flush=True,
                )
                print("".join(f"  {fault}\n" for fault in [*row.faults, *row.moved]), end="")
    paints = [one.first_paint_ms for row in rows for one in row.opened]
    shift, faults = max(row.shift for row in rows), sum(len(row.faults) for row in rows)
    met = all(row.is_met for row in rows)
    print(
        f"first contentful paint: median {statistics.median(paints):.0f} ms, worst "
        f"{max(paints):.0f} ms of {len(paints)}; shift at most {shift:.3f}; "
        f"{faults} serious or critical faults"
    )
    print(f"bars: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
