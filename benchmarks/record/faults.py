"""What inspections feel of a record whose disk is full or whose database is locked or away.

    python -m benchmarks.record.faults REPOSITORY MODEL PICTURE.jpg

A server whose record has the fault runs beside one whose record works, in adjacent pairs of runs as
in `throughput.py`. Then the fault goes, and the server has to go on recording by itself; in the end
every answer is in the record or counted as lost. A full disk is a small tmpfs, which only root
may mount; PostgreSQL is Debian's package.
"""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.realtime.server import TaktServer
from benchmarks.record.throughput import LEAST_RATIO, Side, pairs_of, warm_up
from service.recording.record import Record, open_record
from tests.recording_databases import postgres_server

BACK_WITHIN_S = 20.0
MOST_P99 = 1.05


@dataclass(frozen=True, slots=True)
class Broken:
    """A record with a fault.

    Attributes:
        options: of the server that keeps it.
        record: to look at.
        begin: makes the fault.
        end: takes it away.
    """

    options: tuple[str, ...]
    record: Record
    begin: Callable[[], None]
    end: Callable[[], None]


def _options(data: Path, record: str = "sqlite") -> tuple[str, ...]:
    return ("--record", record, "--data-folder", str(data))


def _opened(data: Path, record: str = "sqlite") -> Record:
    found = open_record(data, record)
    assert found is not None
    return found


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[Broken]:
    """Another process holds the lock of the database."""
    record = _opened(folder)
    record.database.prepare()
    other = sqlite3.connect(
        folder / "record.sqlite", isolation_level=None, check_same_thread=False, timeout=10
    )
    with contextlib.closing(other):
        yield Broken(
            _options(folder),
            record,
            lambda: _do(other, "BEGIN IMMEDIATE"),
            lambda: _do(other, "ROLLBACK"),
        )


def _do(connection: sqlite3.Connection, statement: str) -> None:
    connection.execute(statement)


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[Broken]:
    """The disk of the database and the pictures has no room."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], check=True)
    filler = folder / "filler"

    def fill() -> None:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    try:
        yield Broken(_options(folder), _opened(folder), fill, filler.unlink)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def database_away(folder: Path) -> Iterator[Broken]:
    """PostgreSQL was stopped."""
    with postgres_server() as server:
        url = server.new_url()
        yield Broken(_options(folder, url), _opened(folder, url), server.stop, server.start)


FAULTS = {"locked": locked, "full disk": full_disk, "database away": database_away}


@click.command()
@click.argument("repository", type=click.Path(exists=True, path_type=Path))
@click.argument("model")
@click.argument("picture", type=click.Path(exists=True, path_type=Path))
@click.option("--clients", default=8, show_default=True)
@click.option("--pairs", default=7, show_default=True)
@click.option("--seconds", default=3, show_default=True, help="Of a run.")
@click.option("--only", multiple=True, type=click.Choice(list(FAULTS)))
def main(
    repository: Path,
    model: str,
    picture: Path,
    clients: int,
    pairs: int,
    seconds: int,
    only: tuple[str, ...],
) -> None:
    """Print what each fault costs, and what became of the inspections."""
    layout = ("--engine-instances", "2", "--engine-threads", "1", "--no-request-log")
    print("fault          throughput   p99    answered   stored   lost  back after s")
    for name in only or FAULTS:
        with (
            tempfile.TemporaryDirectory() as folder,
            FAULTS[name](Path(folder) / "broken") as broken,
            TaktServer(repository, *layout, *_options(Path(folder) / "right")) as right,
            TaktServer(repository, *layout, *broken.options) as wrong,
        ):
            sides = Side(right, model, picture, 5), Side(wrong, model, picture, 5)
            warm_up(*sides, clients)
            broken.begin()
            found = pairs_of(*sides, clients, pairs, seconds)
            for side in sides:
                side.resume()
            stored = _stored(wrong)
            broken.end()
            started_s = time.monotonic()
            while _stored(wrong) <= stored and time.monotonic() - started_s < BACK_WITHIN_S:
                time.sleep(0.1)
            back_s = time.monotonic() - started_s
            while counted(wrong, "takt_record_waiting") and back_s < BACK_WITHIN_S:
                time.sleep(0.1)
                back_s = time.monotonic() - started_s
            answered = int(counted(wrong, "takt_requests_total{", 'outcome="ok"'))
            lost = int(counted(wrong, 'takt_record_inspections_total{outcome="lost"}'))
            stored = _stored(wrong)
        ratio = statistics.median(two.per_s / one.per_s for one, two in found)
        p99 = statistics.median(two.p99_ms / one.p99_ms for one, two in found)
        right_sum = answered == stored + lost
        met = ratio >= LEAST_RATIO and p99 <= MOST_P99 and right_sum and back_s < BACK_WITHIN_S
        print(
            f"{name:14} {ratio:10.3f} {p99:6.3f} {answered:10d} {stored:8d} {lost:6d} "
            f"{back_s:8.1f}  {'met' if met else 'MISSED'}"
        )


def _stored(server: TaktServer) -> int:
    return int(counted(server, 'takt_record_inspections_total{outcome="stored"}'))


def counted(server: TaktServer, series: str, label: str = "") -> float:
    """The sum of the series that begin so and have this label."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    lines = [line for line in text.splitlines() if line.startswith(series) and label in line]
    return sum(float(line.split()[-1]) for line in lines)


if __name__ == "__main__":
    main()
