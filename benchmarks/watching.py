"""What it costs a stream to be watched: its highest rate with a watcher, as a ratio to without.

    python -m benchmarks.watching examples/bank/pitting/1 examples/pictures/*/*.jpg

One client streams as fast as the server answers, on one connection that stays; a watcher in a
process of its own reads all that it is shown and acknowledges it. Seconds with and without it take
turns in an order drawn for each pair, so that a change of the machine's pace meets both. With
`--raw` the frames are raw pixels, which the server encodes for the watcher. Ends with 1 where
watching costs more than five parts of a hundred.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
from websockets.sync.client import connect

from benchmarks.realtime.server import TaktServer
from takt_client import TaktClient

MOST_COST = 0.05


def main() -> None:
    """Measure and print; or watch, in the process of a watcher."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5.0, help="Of each turn.")
    parser.add_argument("--raw", action="store_true", help="Send raw pixels.")
    parser.add_argument("--watch", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.watch:
        read_all(given.watch)
        return
    read = cv2.imread if given.raw else Path.read_bytes
    pictures = [read(path) for path in given.pictures]
    with TaktServer(given.bundle.parents[1]) as server:
        stream = Stream(server, given.bundle.parent.name, pictures)
        time.sleep(2 * given.seconds)
        ratios, costs, shown = [], [], []
        for pair in range(given.pairs):
            found: dict[bool, tuple[float, float]] = {}
            for watched in random.sample((False, True), 2):
                if not watched:
                    found[watched] = stream.pace(given.seconds)
                    continue
                with watcher(server.url) as count:
                    found[watched] = stream.pace(given.seconds)
                    shown.append(count() / given.seconds)
            (alone, alone_ms), (with_one, with_one_ms) = found[False], found[True]
            ratios.append(with_one / alone)
            costs.append(with_one_ms / alone_ms)
            print(f"pair {pair + 1}: {alone:.1f} frames/s alone, {with_one:.1f} watched, ratio "
                  f"{ratios[-1]:.4f}; the server's processor time {alone_ms:.2f} ms a frame, "
                  f"{with_one_ms:.2f} watched", flush=True)  # fmt: skip
        stream.end()
    median = statistics.median(ratios)
    spread = statistics.stdev(ratios) / math.sqrt(len(ratios)) if len(ratios) > 1 else 0.0
    print(f"shown {statistics.mean(shown):.1f} frames/s")
    print(
        f"ratio {median:.4f} (median), {statistics.mean(ratios):.4f} ± {1.96 * spread:.4f} (mean)"
    )
    met = median >= 1 - MOST_COST
    print(f"bar 3: {'met' if met else 'MISSED (watching costs too much)'}")
    sys.exit(not met)


class Stream:
    """A stream that goes on in a thread, as fast as it is answered."""

    def __init__(self, server: TaktServer, model: str, pictures: list[Any]) -> None:
        self._server = server
        self._answered = 0
        self._ended = False
        self._thread = threading.Thread(target=self._run, args=(server.url, model, pictures))
        self._thread.start()

    def pace(self, seconds: float) -> tuple[float, float]:
        """Answers a second over so many from now, and the server's processor ms for each."""
        before, began_s, cpu_s = self._answered, time.perf_counter(), self._server.cpu_s
        time.sleep(seconds)
        answered = self._answered - before
        cpu_ms = 1000 * (self._server.cpu_s - cpu_s)
        return answered / (time.perf_counter() - began_s), cpu_ms / answered

    def end(self) -> None:
        """Send no more, and wait for the last answer."""
        self._ended = True
        self._thread.join()

    def _run(self, url: str, model: str, pictures: list[Any]) -> None:
        with TaktClient(url) as client, client.stream(model) as stream:
            for _ in stream.inspect(self._frames(pictures), color="bgr"):
                self._answered += 1

    def _frames(self, pictures: list[Any]) -> Iterator[Any]:
        while not self._ended:
            yield from pictures


@contextmanager
def watcher(url: str) -> Iterator[Callable[[], int]]:
    """A process that watches; gives what tells how many frames it has been shown."""
    with urllib.request.urlopen(f"{url}/v1/streams") as answer:
        (stream,) = json.load(answer)["streams"]
    address = f"{url.replace('http', 'ws')}/v1/streams/{stream['id']}/watch"
    command = [sys.executable, "-m", "benchmarks.watching", "none", "none", "--watch", address]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    process.stdout.readline()  # it watches
    before = [0]

    def count() -> int:
        process.stdin.write("\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        return int(process.stdout.readline()) - before[0]  # type: ignore[union-attr]

    before[0] = count()
    try:
        yield count
    finally:
        process.kill()
        process.wait()


def read_all(address: str) -> None:
    """Watch until killed; each line that comes is answered with the frames so far."""
    shown = 0

    def tell() -> None:
        for _ in sys.stdin:
            print(shown, flush=True)

    with connect(address, max_size=None, compression=None) as socket:
        socket.recv()
        print("watching", flush=True)
        threading.Thread(target=tell, daemon=True).start()
        while True:
            message = json.loads(socket.recv())
            if message["type"] != "frame":
                return
            for part in (message["picture"], message["frame"].get("heatmap")):
                if part is not None:
                    socket.recv()
            shown += 1
            socket.send('{"type":"shown"}')


if __name__ == "__main__":
    main()
