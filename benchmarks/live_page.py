"""What the console's page Live takes of a browser at 30 frames a second.

    python -m benchmarks.live_page examples/bank/pitting/1 examples/pictures/*/*.jpg --minutes 10

A server, a camera that streams at the rate, and Debian's Chromium with one station large. Of the
browser it measures how busy the page's main thread is (Chrome's `TaskDuration`), how many frames
it has shown, and its heap after a forced collection of garbage, each half minute; of the stream,
that every frame was answered, and how late. Ends with 1 where a bar is missed. `--camera` lets the
browser's own (fake) camera stream instead.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import CDPSession, Page, sync_playwright

from benchmarks.realtime.server import TaktServer
from takt_client import FrameAnswer, TaktClient

MOST_BUSY = 0.30
MOST_GROWTH = 0.05
"""Most that the heap may grow from the second look to the last one."""
LATE_MS = 100.0
"""Age at which an answer at this rate is late: three frames have come since."""
FLAGS = ("--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream")
LOOK_EVERY_S = 30.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=30.0, help="Frames a second.")
    parser.add_argument("--camera", action="store_true", help="The browser's camera streams.")
    given = parser.parse_args()
    camera = Camera([path.read_bytes() for path in given.pictures], given.rate)
    with TaktServer(given.bundle.parents[1]) as server, sync_playwright() as playwright:
        fake = f"--use-fake-device-for-media-stream=fps={given.rate:.0f}"
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=[*FLAGS, fake]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{server.url}/console/live")
        if given.camera:
            page.get_by_role("button", name="camera").click()
        else:
            camera.start(server.url, given.bundle.parent.name)
            page.get_by_role("link", name="bench").click()
        page.get_by_text("frames:").wait_for()
        time.sleep(5.0)
        met = watch(page, given.minutes)
        if not given.camera:
            met &= camera.end()
        browser.close()
    print(f"bar 3: {'met' if met else 'MISSED'}")
    sys.exit(not met)


def watch(page: Page, minutes: float) -> bool:
    """Look at the page for so long; whether it stays within its bars."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    devtools.send("Network.enable")
    shown = [0]
    devtools.on("Network.webSocketFrameSent", lambda _: shown.__setitem__(0, shown[0] + 1))
    busy, heaps = [], []
    for look in range(max(3, round(60 * minutes / LOOK_EVERY_S))):
        began_s, before_s, before = time.perf_counter(), metric(devtools, "TaskDuration"), shown[0]
        page.wait_for_timeout(1000 * LOOK_EVERY_S)
        took_s = time.perf_counter() - began_s
        busy.append((metric(devtools, "TaskDuration") - before_s) / took_s)
        devtools.send("HeapProfiler.collectGarbage")
        heaps.append(metric(devtools, "JSHeapUsedSize") / 1e6)
        print(
            f"{LOOK_EVERY_S * (look + 1):4.0f} s: main thread {100 * busy[-1]:.1f} % busy, "
            f"{(shown[0] - before) / took_s:.1f} messages sent/s, heap {heaps[-1]:.2f} MB, "
            f"{metric(devtools, 'Nodes'):.0f} nodes, "
            f"{metric(devtools, 'JSEventListeners'):.0f} listeners",
            flush=True,
        )
    growth = heaps[-1] / heaps[1] - 1
    print(f"main thread {100 * statistics.mean(busy):.1f} % busy, heap {100 * growth:+.1f} %")
    return statistics.mean(busy) < MOST_BUSY and growth < MOST_GROWTH


def metric(devtools: CDPSession, name: str) -> float:
    """One of Chrome's figures of a page."""
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == name))


class Camera:
    """Streams pictures at a rate, and notes how old each answer was."""

    def __init__(self, pictures: list[bytes], rate: float) -> None:
        self._pictures = pictures
        self._rate = rate
        self._ended = threading.Event()
        self._sent = 0
        self._late_sent = 0
        self._ages_ms: list[float] = []
        self._thread: threading.Thread | None = None

    def start(self, url: str, model: str) -> None:
        """Begin, in a thread."""
        self._thread = threading.Thread(target=self._run, args=(url, model))
        self._thread.start()

    def end(self) -> bool:
        """Send no more; whether every frame was answered and none late."""
        assert self._thread is not None
        self._ended.set()
        self._thread.join()
        ages = sorted(self._ages_ms)
        late = sum(age > LATE_MS for age in ages)
        print(
            f"{self._sent} frames sent ({self._late_sent} of them late by the sender), "
            f"{len(ages)} answered; age p50 {statistics.median(ages):.1f} ms, "
            f"p99 {ages[int(0.99 * len(ages))]:.1f} ms, max {ages[-1]:.1f} ms; {late} late"
        )
        return len(ages) == self._sent and not late

    def _run(self, url: str, model: str) -> None:
        with TaktClient(url) as client, client.stream(model, station="bench") as stream:
            for item in stream.inspect(self._frames()):
                if isinstance(item, FrameAnswer):
                    self._ages_ms.append(item.age_ms)

    def _frames(self) -> Iterator[bytes]:
        due_s = time.perf_counter()
        while not self._ended.is_set():
            due_s += 1 / self._rate
            wait_s = due_s - time.perf_counter()
            if wait_s > 0:
                time.sleep(wait_s)
            self._late_sent += wait_s < -1 / self._rate
            yield self._pictures[self._sent % len(self._pictures)]
            self._sent += 1


if __name__ == "__main__":
    main()
