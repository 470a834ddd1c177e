"""Workers that keep pictures in one folder: one of them sweeps, and knows of all bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from takt.observing.records import Asked
from takt.recording.keeping import KeepingRule
from takt.recording.kept_elsewhere import KeptElsewhere
from takt.recording.metrics import RecordMetrics
from takt.recording.record import Record
from takt.recording.retention import RetentionRule
from takt.recording.writer import Recorder
from tests.linked import Link, LinkedPeers
from tests.unit.service.recording.test_writer import AT_S, answer


def picture(number: int) -> bytes:
    return b"\xff\xd8 %03d" % number


SIZE = len(picture(0))


class Keeping:
    """A worker that keeps the pictures of rejects, and takes its turns when it is told to."""

    def __init__(self, record: Record, peers: LinkedPeers, retain: str = "pictures=1000") -> None:
        self.now_s = AT_S
        self.registry = CollectorRegistry()
        self.recorder = Recorder(
            record,
            KeepingRule.read("rejects"),
            RetentionRule.read(retain),
            RecordMetrics(self.registry),
            clock=lambda: self.now_s,
            elapsed=lambda: self.now_s,
            peers=peers,
        )
        self.peers = peers
        peers.open()
        self.recorder._metrics.begin()
        self.recorder._elsewhere.begin()

    async def keep(self, *numbers: int) -> None:
        for number in numbers:
            self.recorder.note(answer(0.7, at_s=self.now_s), Asked(picture(number)))
        await self.turn()

    async def turn(self, later_s: float = 0.0) -> None:
        self.now_s += later_s
        await asyncio.to_thread(self.recorder.turn)

    @property
    def kept_bytes(self) -> float | None:
        return self.registry.get_sample_value("takt_record_picture_bytes")


@pytest.fixture
def files(sqlite_record: Record) -> Callable[[], int]:
    return lambda: len(list(sqlite_record.pictures.files()))


async def test_the_worker_that_leads_counts_what_the_others_keep(sqlite_record: Record) -> None:
    link = Link(2)
    leader, other = Keeping(sqlite_record, link.join()), Keeping(sqlite_record, link.join())
    await leader.keep(1)
    await other.keep(2, 3)
    await leader.turn(later_s=61)
    assert (leader.kept_bytes, other.kept_bytes) == (3 * SIZE, 0)
    await other.keep(4)
    await leader.keep(5)
    await leader.turn(later_s=61)
    await leader.turn(later_s=61)
    assert leader.kept_bytes == 5 * SIZE


async def test_only_the_worker_that_leads_removes_pictures(
    sqlite_record: Record, files: Callable[[], int]
) -> None:
    link = Link(2)
    retain = "pictures=2"
    leader = Keeping(sqlite_record, link.join(), retain)
    other = Keeping(sqlite_record, link.join(), retain)
    await leader.turn()
    await other.keep(*range(6))
    await other.turn(later_s=61)
    assert files() == 6
    await leader.turn(later_s=61)
    assert files() == 2


async def test_a_worker_that_ends_tells_what_it_kept_and_one_that_dies_is_counted_on_the_disk(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Link(3)
    leader, leaves, dies = (Keeping(sqlite_record, link.join()) for _ in range(3))
    await leader.turn()
    await leader.turn(later_s=61)
    counted: list[int] = []
    walk = type(sqlite_record.pictures).files

    def files(store: object) -> object:
        counted.append(1)
        return walk(store)  # type: ignore[arg-type]

    monkeypatch.setattr(type(sqlite_record.pictures), "files", files)
    await leaves.keep(1)
    await asyncio.to_thread(leaves.recorder._elsewhere.end)
    leaves.peers.close()
    Keeping(sqlite_record, link.join(worker=1, leads=False))
    await leader.turn(later_s=61)
    assert (leader.kept_bytes, counted) == (SIZE, [])
    await dies.keep(2)
    dies.peers.close()
    Keeping(sqlite_record, link.join(worker=2, leads=False))
    await leader.turn(later_s=61)
    assert (leader.kept_bytes, counted) == (2 * SIZE, [1])


async def test_whoever_leads_next_sweeps(sqlite_record: Record) -> None:
    link = Link(2)
    leader, other = Keeping(sqlite_record, link.join()), Keeping(sqlite_record, link.join())
    await leader.keep(1)
    leader.peers.close()
    other.peers.leading.set()
    await other.turn(later_s=61)
    assert other.kept_bytes == SIZE


async def test_a_server_of_one_process_hears_nobody(sqlite_record: Record) -> None:
    alone = KeptElsewhere(Link(1).join())
    alone.begin()
    assert (alone.sweeps_here, alone.collect()) == (True, 0)
