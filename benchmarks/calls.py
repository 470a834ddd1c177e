"""How many calls of Takt's own functions a request costs: a guard of the hot path that is no clock.

    python -m benchmarks.calls            # a table by stage
    python -m benchmarks.calls --write    # what `tests/e2e/test_benchmarks.py` holds it to

A server runs in this process, with an engine that costs nothing; what its threads call below
`service/` between a request and quiet is counted, warm, and the median of many requests is taken.
Counts depend on Python's version and on the code alone, so that a busy machine changes nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median_low
from types import FrameType
from typing import Any

import httpx

import takt
from takt.app import create_app
from takt.core.engines.fake import FakeEngine
from takt.recording.record import open_record
from takt.server.listening import listening
from takt.server.run import run
from takt.settings import Settings
from takt_client import TaktClient
from tests.api.oip.requests import INFER, in_binary
from tests.hostile.bundle import MODEL, spotted_picture, write_bundle

KEPT = Path(__file__).with_name("calls.json")
HOUSE = str(Path(takt.__file__).parent)
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
REQUESTS = 200
WARM_UP = 30
QUIET_S = 0.004
"""No call for so long: the request's work is done. What the record stores later is not counted."""

RECIPE = {
    "number": 1,
    "deadline_ms": 60_000,
    "alpha": 0.1,
    "views": [{"name": "top", "model": MODEL}],
}

Ask = Callable[[], object]
Counts = dict[str, int]
"""Calls by stage; a stage is a folder of `service/`."""

Kinds = Callable[[str], Iterator[tuple[str, Ask]]]
"""Gives requests to a server at a URL by their names, one after another."""


class Calls:
    """Counts the calls of functions below `service/`, in every thread that starts from now on."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._stages: dict[str, str | None] = {}

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        """What `threading.setprofile` takes."""
        if event != "call":
            return
        name = frame.f_code.co_filename
        stage = self._stages.get(name, "")
        if stage == "":
            stage = self._stages[name] = _stage(name)
        if stage is not None:
            self.counts[stage] += 1

    def of(self, request: Callable[[], object]) -> Counts:
        """What one request calls until nothing is called any more."""
        self.counts.clear()
        request()
        before = -1
        while before != (now := self.counts.total()):
            before = now
            time.sleep(QUIET_S)
        return dict(self.counts)


def _stage(file: str) -> str | None:
    if not file.startswith(HOUSE + "/"):
        return None
    rooms = file[len(HOUSE) + 1 :].split("/")[:-1]
    return "/".join(rooms[: 2 if rooms[:1] in (["core"], ["server"]) else 1]) or "service"


def measure(requests: int = REQUESTS) -> dict[str, Counts]:
    """Calls of each kind of request, by stage: medians. Runs in the main thread, as servers do.

    Args:
        requests: of each kind.
    """
    return _served("none", _plain, requests) | _served("sqlite", _recorded, requests)


def _served(kept: str, kinds: Kinds, requests: int) -> dict[str, Counts]:
    """The medians of some kinds, before a server with such a record."""
    found: dict[str, Counts] = {}
    failed: list[BaseException] = []
    calls = Calls()
    with tempfile.TemporaryDirectory(prefix="takt-calls-") as folder:
        write_bundle(Path(folder) / "models")
        settings = Settings(
            repository=str(Path(folder) / "models"),
            data_folder=Path(folder) / "data",
            record=kept,
            port=0,
            repository_poll_s=0,
        )
        # Before the app, whose parts may start threads as they are made.
        threading.setprofile(calls.profile)
        record = open_record(settings.data_folder, kept)
        app = create_app(settings, lambda _: FakeEngine(), record=record)
        with listening(settings) as sockets:
            url = f"http://127.0.0.1:{sockets.main[0].getsockname()[1]}"

            def ask() -> None:
                try:
                    _wait_ready(url)
                    found.update(_medians(url, kinds, calls, requests))
                except BaseException as error:
                    failed.append(error)
                finally:
                    os.kill(os.getpid(), signal.SIGTERM)

            asking = threading.Thread(target=ask)
            # Once it has ended, the server has the signal take its usual effect.
            before = signal.signal(signal.SIGTERM, lambda *_: None)
            asking.start()
            sys.setprofile(calls.profile)
            try:
                run(app, settings, sockets)
            finally:
                sys.setprofile(None)
                threading.setprofile(None)
                asking.join()
                signal.signal(signal.SIGTERM, before)
    if failed:
        raise failed[0]
    return found


def _medians(url: str, kinds: Kinds, calls: Calls, requests: int) -> dict[str, Counts]:
    found: dict[str, Counts] = {}
    for name, ask in kinds(url):
        for _ in range(WARM_UP):
            ask()
        counted = [calls.of(ask) for _ in range(requests)]
        stages = sorted({stage for counts in counted for stage in counts})
        medians = {
            stage: median_low([counts.get(stage, 0) for counts in counted]) for stage in stages
        }
        found[name] = {stage: number for stage, number in medians.items() if number}
    return found


def _plain(url: str) -> Iterator[tuple[str, Ask]]:
    picture = spotted_picture()
    path = f"/v1/models/{MODEL}/inspect"
    with _connected(url) as post:
        yield "a small answer", lambda: post(path, picture)
        yield "an overlay", lambda: post(f"{path}?heatmap=overlay", picture)
        yield "a refusal", lambda: post(path, b"no picture", status=400)
        infer = in_binary([picture])
        yield "Open Inference Protocol", lambda: post(INFER, infer["content"], infer["headers"])
    with TaktClient(url) as client, client.stream(MODEL) as stream:

        def frame() -> None:
            stream.send(picture)
            next(stream)

        yield "a stream's frame", frame


def _recorded(url: str) -> Iterator[tuple[str, Ask]]:
    picture = spotted_picture()
    saved = httpx.put(f"{url}/v1/recipes/bracket", json=RECIPE)
    assert saved.status_code == 200, saved.text
    numbers = itertools.count()
    with _connected(url) as post:
        yield "a recorded answer", lambda: post(f"/v1/models/{MODEL}/inspect", picture)
        yield (
            "a part's view",
            lambda: post(f"/v1/parts/p{next(numbers)}/views/top?recipe=bracket", picture),
        )


@contextlib.contextmanager
def _connected(url: str) -> Iterator[Callable[..., None]]:
    """Posts over one connection; each request is sent in one piece, as it may be read in two."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:

        def post(
            path: str, body: bytes, headers: Mapping[str, str] | None = None, status: int = 200
        ) -> None:
            named = {"Host": host, "Content-Length": len(body), **(headers or {})}
            head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
            connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
            answer = http.client.HTTPResponse(connection, method="POST")
            answer.begin()
            text = answer.read()
            assert answer.status == status, text

        yield post


def table(kinds: dict[str, Counts]) -> str:
    """Calls by stage, in Markdown."""
    stages = sorted({stage for counts in kinds.values() for stage in counts})
    rows = [[stage, *(str(counts.get(stage, "")) for counts in kinds.values())] for stage in stages]
    rows.append(["**all**", *(f"**{sum(counts.values())}**" for counts in kinds.values())])
    head = ["stage", *kinds]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def main() -> None:
    """Count, print the table, and keep it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"keep the counts in {KEPT.name}")
    parser.add_argument("--json", type=Path, help="keep them there, too")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each kind")
    given = parser.parse_args()
    kinds = measure(given.requests)
    print(table(kinds))
    for path in (given.json, KEPT if given.write else None):
        if path is not None:
            path.write_text(
                json.dumps({"python": PYTHON, "calls": kinds}, indent=1) + "\n", "utf-8"
            )


def _wait_ready(url: str) -> None:
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health/ready").status_code == 200:
                return
        time.sleep(QUIET_S)


if __name__ == "__main__":
    main()
