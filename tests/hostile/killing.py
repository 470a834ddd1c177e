"""A server that is killed again and again while it records: what it had stored has to be there."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from sqlalchemy import select

from takt.recording.audit.chain import entries_of
from takt.recording.audit.verify import ChainCheck
from takt.recording.check import check_record, repair
from takt.recording.record import Record, open_record
from takt.recording.tables import inspections
from tests.hostile.bundle import MODEL, write_bundle
from tests.hostile.report import Verdict, table
from tests.hostile.server import Server, serve_command, started

CLIENTS = 4
OPTIONS = ("--record", "sqlite", "--keep", "rejects,sample=0.5", "--no-request-log")
LIVES_S = (0.3, 1.5)
"""Shortest and longest time of load before a kill."""


@dataclass(slots=True)
class Life:
    """What a server said before it was killed, and what was found afterwards.

    Attributes:
        answered: pictures that had an answer.
        acknowledged: inspections that the server counted as stored.
        seen: ids that were read from the database while it ran.
        changes: of thresholds that were answered.
        entries: of such changes in the audit log afterwards, of all lives so far.
        rows: inspections that are there afterwards.
        lost: ids that were seen, and are gone.
        missing: inspections whose picture is gone.
        orphans: pictures of no inspection, before the repair.
        clean: whether rows and pictures agree after the repair.
        chain: what is wrong with the audit log.
    """

    answered: int = 0
    acknowledged: int = 0
    seen: set[int] = field(default_factory=set)
    changes: int = 0
    entries: int = 0
    rows: int = 0
    lost: int = 0
    missing: int = 0
    orphans: int = 0
    clean: bool = False
    chain: list[str] = field(default_factory=list)


class Load:
    """Clients that post pictures without a pause, and one who changes the threshold.

    Args:
        server: that is asked.
        life: is told what was answered.
        seed: pictures are drawn from it, no two alike.
    """

    def __init__(self, server: Server, life: Life, seed: int) -> None:
        self._server = server
        self._life = life
        self._seed = seed
        self._ending = threading.Event()
        self._counting = threading.Lock()
        jobs = [(self._post, (number,)) for number in range(CLIENTS)] + [(self._change, ())]
        self._threads = [threading.Thread(target=job, args=given) for job, given in jobs]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Load for as long as the block lasts."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._ending.set()
            for thread in self._threads:
                thread.join()

    def _post(self, number: int) -> None:
        drawn = np.random.default_rng((self._seed, number))
        with self._connection() as ask:
            while not self._ending.is_set():
                picture = drawn.integers(0, 255, (48, 64, 3), dtype=np.uint8)
                data = cv2.imencode(".png", picture)[1].tobytes()
                if ask("POST", f"/v1/models/{MODEL}/inspect", data) == 200:
                    with self._counting:
                        self._life.answered += 1

    def _change(self) -> None:
        with self._connection() as ask:
            while not self._ending.wait(0.02):
                body = json.dumps({"image": random.random(), "reason": "a kill is near"}).encode()
                if ask("PUT", f"/v1/models/{MODEL}/threshold", body) == 200:
                    self._life.changes += 1

    @contextlib.contextmanager
    def _connection(self) -> Iterator[object]:
        address = self._server.address
        connection = http.client.HTTPConnection(address.host, address.port, timeout=10)

        def ask(method: str, path: str, body: bytes) -> int:
            connection.request(method, path, body)
            response = connection.getresponse()
            response.read()
            return response.status

        # The server is killed while it is asked.
        with (
            contextlib.closing(connection),
            contextlib.suppress(OSError, http.client.HTTPException),
        ):
            yield ask


def run(lives: int, folder: Path, seed: int = 19) -> list[Life]:
    """Start a server, kill it under load, and look at its record; again and again.

    Args:
        lives: of the server.
        folder: of the bundle and the record.
        seed: of the pictures and of the times.
    """
    write_bundle(folder / "models")
    drawn = random.Random(seed)
    options = ("--data-folder", str(folder / "data"), *OPTIONS)
    return [
        _live(folder / "data", serve_command(folder / "models", *options), number, drawn)
        for number in range(lives)
    ]


def _live(data: Path, command: list[str], number: int, drawn: random.Random) -> Life:
    life = Life()
    record = open_record(data, "sqlite")
    assert record is not None
    with started(command) as server:
        server.wait_ready()
        with Load(server, life, number).running():
            ends_s = time.monotonic() + drawn.uniform(*LIVES_S)
            while time.monotonic() < ends_s:
                life.acknowledged = stored(server)
                life.seen |= ids_of(record)
                time.sleep(0.02)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
    look(record, life)
    record.close()
    return life


def stored(server: Server) -> int:
    """Inspections that the server counts as stored in this life."""
    address = server.address
    with contextlib.closing(http.client.HTTPConnection(address.host, address.port)) as connection:
        connection.request("GET", "/metrics")
        for line in connection.getresponse().read().decode().splitlines():
            if line.startswith('takt_record_inspections_total{outcome="stored"}'):
                return int(float(line.split()[-1]))
    return 0


def ids_of(record: Record) -> set[int]:
    with record.database.reading() as connection:
        return set(connection.execute(select(inspections.c.id)).scalars())


def look(record: Record, life: Life) -> None:
    """Note what a record has after its server was killed."""
    there = ids_of(record)
    life.rows = len(there)
    life.lost = len(life.seen - there)
    checked = check_record(record, content=True, young_s=0)
    life.missing = len(checked.missing) + len(checked.changed)
    life.orphans = len(checked.orphans)
    repair(record, checked)
    life.clean = check_record(record, content=True, young_s=0).clean
    check = ChainCheck()
    entries = check.through(entries_of(record.database))
    life.entries = sum(entry.action == "threshold_changed" for entry in entries)
    life.chain = [str(finding) for finding in check.findings]


def judge(lives: list[Life]) -> Verdict:
    """What was missed, over all lives."""
    verdict, before, changes = Verdict(3), 0, 0
    for number, life in enumerate(lives):
        stored = life.rows - before
        before = life.rows
        changes += life.changes
        verdict.demand(life.answered > 0, f"life {number} answered nothing")
        verdict.demand(
            stored >= life.acknowledged,
            f"life {number} counted {life.acknowledged} as stored, of which {stored} are there",
        )
        verdict.demand(not life.lost, f"life {number} has lost {life.lost} that were seen")
        verdict.demand(not life.missing, f"life {number}: {life.missing} rows without a picture")
        verdict.demand(life.clean, f"life {number} is not clean after the repair")
        verdict.demand(not life.chain, f"life {number}: {life.chain[:1]}")
        verdict.demand(
            life.entries >= changes,
            f"life {number}: {changes} changes were answered, {life.entries} are in the audit log",
        )
    return verdict


def report(lives: list[Life]) -> str:
    """The sums of all lives, as a table."""
    return table(
        (
            *("kills", "answered", "stored", "changes answered", "in the audit log"),
            *("orphans removed", "rows without picture", "lost"),
        ),
        [
            (
                len(lives),
                sum(life.answered for life in lives),
                lives[-1].rows,
                sum(life.changes for life in lives),
                lives[-1].entries,
                sum(life.orphans for life in lives),
                sum(life.missing for life in lives),
                sum(life.lost for life in lives),
            )
        ],
    )
