from __future__ import annotations

import pytest

from takt.core.domain import UNKNOWN_SOURCE, Timings, Verdict
from takt.mirroring.metrics import MirrorMetrics
from takt.observing.instruments.metrics import Metrics
from takt.observing.instruments.station_states import StationStates
from takt.observing.instruments.version_metrics import VersionGauges
from takt.observing.instruments.watch_metrics import WatchMetrics
from takt.observing.journal import Journal
from takt.observing.records import AnswerRecord, RefusalRecord
from takt.observing.status.host_state import HostReader
from takt.observing.status.reading import NAMES, Reading, read, reading_of
from takt.observing.status.watch import EVERY_S, StatusWatch
from takt.outlets.metrics import OutletMetrics
from takt.recording.audit.metrics import AuditMetrics
from takt.recording.metrics import RecordMetrics


class Server:
    """Instruments, and a clock that a test sets."""

    def __init__(self, began_s: float | None = None) -> None:
        self.now_s = 100.0
        self.leads = True
        self.metrics = Metrics(max_queue_size=8)
        self.watch = StatusWatch(
            self.read,
            HostReader({}),
            clock=lambda: self.now_s,
            unix_clock=lambda: 1e9 + self.now_s,
            began_s=lambda: began_s,
            leads=lambda: self.leads,
        )
        one = VersionGauges(lambda: 3, lambda: 1, lambda: 1, lambda: 1, lambda: 0)
        self.metrics.versions.watch("nut", "1", one)
        self.metrics.loaded("nut", "1", seconds=1, instances=2, bounds=(0.5,))

    async def read(self, at_s: float) -> Reading:
        return read(self.metrics, Journal(self.metrics), at_s)

    def answer(self, total_ms: float, score: float = 0.1) -> None:
        timings = Timings(1, 1, 1, total_ms - 5, 1, 1, total_ms)
        verdict = Verdict(score > 0.5, score, 0.5, 50.0, ())
        self.metrics.answered(
            AnswerRecord(
                "nut",
                "1",
                verdict,
                8,
                8,
                timings,
                "rest",
                "r",
                None,
                self.now_s,
                (),
                UNKNOWN_SOURCE,
            )
        )

    def refuse(self, code: str) -> None:
        self.metrics.refused(RefusalRecord("nut", code, 429, "rest", "r", None, self.now_s))

    async def go_on(self, seconds: float) -> None:
        for _ in range(round(seconds / EVERY_S)):
            self.now_s += EVERY_S
            await self.watch.keep()


@pytest.fixture
def server() -> Server:
    return Server()


async def test_the_last_minute_forgets_and_the_start_does_not(server: Server) -> None:
    await server.watch.keep()
    for _ in range(30):
        server.answer(20)
    await server.go_on(60)
    assert (await server.watch.status()).last_minute.answered == 30
    assert (await server.watch.status()).last_minute.per_s == pytest.approx(0.5)
    await server.go_on(60)
    server.answer(400, score=0.9)
    server.now_s += 2
    found = await server.watch.status()
    assert (found.last_minute.answered, found.last_minute.anomalous) == (1, 1)
    assert found.since_start.answered == 31
    assert found.last_minute.stages[-1].p50_ms == pytest.approx(400, rel=0.4)
    assert found.since_start.stages[-1].p50_ms == pytest.approx(20, rel=0.4)
    assert (found.uptime_s, found.unix_s) == (122, 1e9 + server.now_s)


async def test_refusals_are_told_by_code_the_most_frequent_first(server: Server) -> None:
    await server.watch.keep()
    for code in ("memory_full", "queue_full", "queue_full"):
        server.refuse(code)
    await server.go_on(5)
    assert list((await server.watch.status()).last_minute.refused.items()) == [
        ("queue_full", 2),
        ("memory_full", 1),
    ]


async def test_engines_are_busy_for_the_share_of_the_time_of_all(server: Server) -> None:
    await server.watch.keep()
    server.metrics.of_model("nut").on_batch(1, run_s=30)
    await server.go_on(60)
    (model,) = (await server.watch.status()).models
    assert (model.busy_share, model.instances, model.queue_depth) == (0.25, 2, 3)


async def test_the_points_are_of_the_last_five_minutes(server: Server) -> None:
    await server.watch.keep()
    for _ in range(100):
        server.answer(20)
        await server.go_on(5)
    points = (await server.watch.status()).points
    assert len(points) == 60
    assert {round(point.per_s, 6) for point in points} == {0.2}
    assert points[-1].unix_s - points[0].unix_s == 59 * EVERY_S
    assert points[-1].total_ms == pytest.approx(20, rel=0.4)
    await server.go_on(15)
    last = (await server.watch.status()).points[-1]
    assert (last.per_s, last.total_ms, last.queue_depth) == (0, None, 3)


def test_every_series_that_is_read_is_one_that_a_server_shows(server: Server) -> None:
    server.metrics.frame_answered("nut", 0.1)
    server.metrics.frame_dropped("nut", "latest")
    server.answer(20)
    server.refuse("queue_full")
    server.metrics.versions.self_tested("nut", "1", ())
    server.metrics.versions.promised.labels("nut", "1").set(1)
    server.metrics.versions.watched("nut", "1", recorded=True, has_facts=True)
    server.metrics.of_model("nut")
    server.metrics.engines.of("nut").restarts["hung"].inc()
    server.metrics.connections.watch(lambda: 1, lambda: 2)
    AuditMetrics(server.metrics.registry).begin(lambda: 0)
    RecordMetrics(server.metrics.registry).begin()
    WatchMetrics(server.metrics.registry, lambda station: True).show([("nut", "left", "camera")])
    MirrorMetrics(server.metrics.registry)
    StationStates(server.metrics.registry, lambda: {"press-1": True})
    outlets = OutletMetrics(server.metrics.registry)
    outlets.watch("rejects", lambda: 0)
    outlets.watch_spool("mqtt", lambda: 0)
    shown = {series[0] for series in read(server.metrics, Journal(server.metrics), 0.0).values}
    assert shown == NAMES


def test_what_families_show_is_what_the_instruments_show(server: Server) -> None:
    for total_ms in (20, 21, 400):
        server.answer(total_ms)
    server.refuse("queue_full")
    shown = read(server.metrics, Journal(server.metrics), 5.0)
    assert shown.stages and reading_of(server.metrics.read(), 5.0) == shown


async def test_a_process_that_goes_on_with_a_server_counts_from_the_servers_start() -> None:
    server = Server(began_s=40.0)
    server.answer(20)
    found = await server.watch.status()
    assert (found.uptime_s, found.since_start.seconds) == (60.0, 60.0)


async def test_who_does_not_lead_keeps_readings_while_it_is_asked(server: Server) -> None:
    server.leads = False
    first = await server.watch.status()
    assert not first.is_of_leader
    assert first.host.limit_bytes > 0
    for _ in range(3):
        server.answer(20)
        server.now_s += 2 * EVERY_S
        now = await server.watch.status()
    assert now.last_minute.answered == now.since_start.answered == 3
    assert len(now.points) == 4


async def test_what_was_seen_while_another_one_was_silent_is_forgotten(server: Server) -> None:
    server.leads = False
    await server.watch.status()
    server.answer(20)
    server.now_s += 3600
    later = await server.watch.status()
    assert (later.last_minute.answered, later.since_start.answered) == (0, 1)
    assert len(later.points) == 1


async def test_who_leads_forgets_nothing_after_a_pause(server: Server) -> None:
    await server.go_on(60)
    server.answer(20)
    server.now_s += 3600
    assert (await server.watch.status()).last_minute.answered == 1
