"""A process whose engines hang beyond repair ends by itself, to be started again."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from takt.server.run import GAVE_UP
from tests.api.broken_engines.plant import INSPECT

PROGRAM = """
import contextlib, sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from takt.app import create_app
from takt.core.batching.watch import RunLimits
from takt.core.engines.fake import FakeEngine
from takt.observing.line_writer import LineWriter
from takt.observing.logging_setup import configure_logging
from takt.repository.supervision.rules import Supervision
from takt.server.listening import listening
from takt.server.run import run
from takt.settings import Settings


class Hanging(FakeEngine):
    '''Hangs on a flat picture, in a thread that the interpreter would wait for at its end.'''

    def infer(self, images):
        if images.min() == images.max():
            ThreadPoolExecutor(1).submit(threading.Event().wait).result()
        return super().infer(images)


runs = RunLimits(least_s=0.3, first_s=0.3, factor=1.0, look_every_s=0.02)
with contextlib.closing(LineWriter(sys.stderr)) as writer:
    settings = Settings(repository=Path(sys.argv[1]), port=0)
    app = create_app(
        settings, lambda _: Hanging(), supervision=Supervision(runs=runs, pause_s=0.01)
    )
    configure_logging("info", "text", writer)
    with listening(settings) as sockets:
        run(app, settings, sockets, ended=writer.close)
"""


@pytest.fixture
def process(bundle, repository: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, str(repository)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def test_three_hung_engines_end_the_process_with_its_own_code(
    process: subprocess.Popen[str], picture_bytes: Callable[..., bytes]
) -> None:
    assert process.stderr is not None
    url, ready = "", False
    for line in process.stderr:  # either comes first
        if found := re.search(r"running on (http://\S+)", line):
            url = found[1]
        ready = ready or " is ready on " in line
        if url and ready:
            break
    with httpx.Client(base_url=url, timeout=30) as client:
        good, flat = picture_bytes(50, spot=200), picture_bytes(50)
        for _ in range(3):
            give_up_s = time.monotonic() + 60
            while client.post(INSPECT, content=good).status_code != 200:
                assert time.monotonic() < give_up_s
            lost = client.post(INSPECT, content=flat)
            assert (lost.status_code, lost.json()["code"]) == (503, "engine_hung")
    assert process.wait(timeout=60) == GAVE_UP
    assert "3 threads hang in engines" in process.stderr.read()
