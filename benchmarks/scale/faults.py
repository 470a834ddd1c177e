"""A worker that is killed under load, and workers that are replaced under load."""

from __future__ import annotations

import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.peers.processes import Tree
from benchmarks.realtime.server import TaktServer
from benchmarks.scale.load import CLIENTS, Exact, exact, h2load, timed, wrk
from benchmarks.scale.places import Given, target
from benchmarks.scale.throughput import ONE_ENGINE
from benchmarks.scale.workers import Probe, connections_of, workers_of

BACK_S = 2.0
KILLS = 5
RELOAD = signal.SIGUSR2
COUNTERS = (
    'takt_requests_total{.*outcome="ok".*}',
    "takt_anomaly_score_count{.*}",
    "takt_batch_size_sum{.*}",
    'takt_stage_seconds_count{.*stage="decode".*}',
    'takt_stage_seconds_count{.*stage="engine".*}',
    'takt_stage_seconds_count{.*stage="total".*}',
)
"""Series that count each picture once, as patterns of their names and labels."""
_NOT_OK = r'^takt_requests_total\{.*outcome="(?!ok")(\w+)".*\} (?!0\.0$)(\S+)$'
_LOAD_S = 12
_SHARE = CLIENTS - 2
"""Of the clients, which need not be spread to the last one."""
_KILL_AFTER_S = 2.0
_POLL_S = 0.02
_GIVE_UP_S = 60.0


@dataclass(frozen=True)
class Kill:
    """What the kill of a worker cost.

    Attributes:
        under_way: connections that it had; each has one request at most.
        failed: requests without an answer, or with another status than 200.
        refused: connections that nobody took.
        back_s: until as many workers as before answered.
        new_s: processor time of the worker that took its place, until then.
        uncounted: answers that the metrics do not know of.
        second: answers in a second.
    """

    under_way: int
    failed: int
    refused: int
    back_s: float
    new_s: float
    uncounted: int
    second: float

    @property
    def met(self) -> bool:
        """Whether it cost no more than it may."""
        return (
            self.failed <= self.under_way
            and not self.refused
            and self.back_s <= BACK_S
            and self.uncounted <= self.second
        )


def kill(given: Given) -> bool:
    """Kill a worker under load, of several servers in turn; whether each was borne.

    A server of its own, as a worker that dies again is started again ever later.
    """
    kills = [_kill(given) for _ in range(KILLS)]
    for one in kills:
        print(
            f"{one.under_way} in flight on it, {one.failed} failed (bar: no more), "
            f"{one.refused} connections refused (bar 0)\n"
            f"  all answer again in {one.back_s:.2f} s (bar {BACK_S:g}), with {one.new_s:.2f} s of "
            f"processor for the new one\n"
            f"  {one.uncounted} answers not in /metrics (bar: a second's, {one.second:.0f}): "
            f"{'met' if one.met else 'MISSED'}"
        )
    return all(one.met for one in kills)


def _kill(given: Given) -> Kill:
    with _serving(given, "null") as server:
        port = urlsplit(server.url).port
        assert port
        with wrk(target(given, server), _LOAD_S) as process:
            _spread(given, server, port)
            time.sleep(_KILL_AFTER_S)
            victim = max(workers_of(server.pid), key=lambda one: connections_of(one, port))
            under_way = connections_of(victim, port)
            before = workers_of(server.pid)
            os.kill(victim, signal.SIGKILL)
            back_s, refused = _back(given, server, victim)
            new_s = sum(Tree(one).cpu_s() for one in workers_of(server.pid) - before)
            figures = timed(process.communicate()[0])
        counted = _counted(COUNTERS[0], _metrics(server))
    return Kill(
        under_way,
        figures.broken + figures.other,
        refused + figures.refused,
        back_s,
        new_s,
        figures.requests - int(counted),
        figures.per_s,
    )


def _spread(given: Given, server: TaktServer, port: int) -> None:
    """Wait until each worker has its share of the clients: some were there before others."""
    give_up_s = time.monotonic() + _GIVE_UP_S
    while (
        min(connections_of(one, port) for one in workers_of(server.pid)) < _SHARE // given.workers
    ):
        if time.monotonic() > give_up_s:
            raise SystemExit("the connections were not spread over all workers within a minute")
        time.sleep(_POLL_S)


def _back(given: Given, server: TaktServer, victim: int) -> tuple[float, int]:
    """Seconds until as many workers as before answer, and connections refused until then."""
    killed_s, answered, refused = time.monotonic(), set[int](), 0
    with closing(Probe(server.url, keep=given.workers)) as probe:
        while len(answered) < given.workers:
            if time.monotonic() - killed_s > _GIVE_UP_S:
                raise SystemExit(f"a minute after the kill {len(answered)} workers answer")
            try:
                found = probe.ask(workers_of(server.pid) - {victim})
            except ConnectionRefusedError:
                refused, found = refused + 1, None
            if found is not None:
                answered.add(found)
            time.sleep(_POLL_S)
        return time.monotonic() - killed_s, refused


@contextmanager
def _serving(given: Given, model: str) -> Iterator[TaktServer]:
    """A server whose workers are all there.

    Raises:
        SystemExit: they are not, or other processes look like workers.
    """
    options = (*ONE_ENGINE, "--workers", str(given.workers))
    with TaktServer(given.repository(model), *options, takt=given.takt) as server:
        give_up_s = time.monotonic() + _GIVE_UP_S
        while len(found := workers_of(server.pid)) != given.workers:
            if time.monotonic() > give_up_s:
                raise SystemExit(f"{len(found)} processes are workers, not {given.workers}")
            time.sleep(_POLL_S)
        yield server


def reload(given: Given) -> bool:
    """Replace all workers under load; whether no request of 20,000 failed."""
    _, met = _reloaded(given, "tiny", 20_000)
    return met


def counters(given: Given) -> bool:
    """Replace all workers under load; whether the metrics count each of 100,000 requests once."""
    text, met = _reloaded(given, "null", 100_000)
    for pattern in COUNTERS:
        counted = _counted(pattern, text)
        word = "met" if counted == 100_000 else "MISSED"
        print(f"{pattern.replace('.*', ''):55} {counted:9.0f}, bar 100000: {word}")
        met = met and counted == 100_000
    return met


def _reloaded(given: Given, model: str, requests: int) -> tuple[str, bool]:
    """The metrics after a reload under load; whether none of the requests failed."""
    with _serving(given, model) as server:
        before = workers_of(server.pid)
        with h2load(target(given, server), requests) as process:
            time.sleep(_KILL_AFTER_S)
            server.send(RELOAD)
            began_s = time.monotonic()
            while not _replaced(before, workers_of(server.pid), given.workers):
                if time.monotonic() - began_s > _GIVE_UP_S:
                    raise SystemExit("the workers were not replaced within a minute")
                time.sleep(_POLL_S)
            took_s, meanwhile = time.monotonic() - began_s, process.poll() is None
            figures = exact(process.communicate()[0])
        text = _metrics(server)
    met = _told(figures, took_s, meanwhile)
    for outcome, count in re.findall(_NOT_OK, text, re.MULTILINE):
        print(f"  the metrics count {float(count):.0f} of outcome {outcome}")
    return text, met


def _metrics(server: TaktServer) -> str:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        return bytes(answer.read()).decode()


def _counted(pattern: str, text: str) -> float:
    """The sum of the series that a pattern of `COUNTERS` names."""
    return sum(float(value) for value in re.findall(rf"^{pattern} (\S+)$", text, re.MULTILINE))


def _replaced(before: set[int], now: set[int], workers: int) -> bool:
    return len(now) == workers and not now & before


def _told(figures: Exact, took_s: float, meanwhile: bool) -> bool:
    """Print how the requests fared; whether that is as it must be."""
    failed = figures.asked - figures.answered
    when = "while they came" if meanwhile else "PARTLY AFTER THEM: send more"
    print(f"all workers were replaced in {took_s:.1f} s, {when}")
    word = "met" if failed == 0 and meanwhile else "MISSED"
    print(
        f"{failed} of {figures.asked} requests failed, {figures.other} of them with an answer of "
        f"another status than 200, bar 0: {word}"
    )
    return failed == 0 and meanwhile
