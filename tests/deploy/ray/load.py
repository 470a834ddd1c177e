"""Clients that ask again as soon as they have an answer, and note what became of each request."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx


@dataclass
class Load:
    """What clients saw.

    Attributes:
        clients: at once, each with one request.
        good: when requests were answered by 200, on the monotonic clock.
        failed: requests that had no such answer, and what they had instead.
    """

    clients: int
    good: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, more: int, within_s: float = 60.0) -> None:
        """Until so many further requests were answered well."""
        end_s, wanted = time.monotonic() + within_s, len(self.good) + more
        while len(self.good) < wanted:
            assert time.monotonic() < end_s, f"{len(self.good)} of {wanted}; {self.failed[-3:]}"
            time.sleep(0.05)

    def run(self, url: str, picture: bytes) -> None:
        """One client, until the load ends."""
        with httpx.Client(timeout=60) as http:
            while not self._stop.is_set():
                try:
                    answer = http.post(url, content=picture)
                except httpx.TransportError as error:
                    self.failed.append(repr(error))
                    continue
                if answer.status_code == 200:
                    self.good.append(time.monotonic())
                else:
                    self.failed.append(f"{answer.status_code} {answer.text[:200]}")

    def end(self) -> None:
        """Let each client have its answer, and no more."""
        self._stop.set()


@contextlib.contextmanager
def load(url: str, picture: bytes, clients: int) -> Iterator[Load]:
    """Ask for as long as the block runs; afterwards every request has its answer."""
    seen = Load(clients)
    threads = [threading.Thread(target=seen.run, args=(url, picture)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        seen.end()
        for thread in threads:
            thread.join()
