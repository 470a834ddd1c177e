"""Pages of a large record: how long each filter takes, how fast rows go in, how large they are.

    python -m benchmarks.record.pages
    python -m benchmarks.record.pages --database postgresql    # Debian's package, in a folder
    python -m benchmarks.record.pages --most 10000 --pages 20  # a look

A made-up line of some weeks goes into an empty record with all its indexes, as the server writes
it. At 10,000, 100,000 and 1,000,000 inspections, each filter is asked for pages that begin
anywhere in time: for values that are common, rare, absent, or were last seen long ago.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from sqlalchemy import insert, text

from service.recording.record import Record, open_record
from service.recording.search.cursor import Cursor
from service.recording.search.exports.export import Export, exported
from service.recording.search.filters import ExportFormat, Filters
from service.recording.search.pages import page_of
from service.recording.tables import inspections, sources
from tests.recorded import NOON_US, ROW, SOURCE
from tests.recording_databases import postgres_server

STEPS = (10_000, 100_000, 1_000_000)
LIMIT = 100
BATCH = 500
BAR_MS = 50.0
BAR_ROWS_PER_S = 5_000.0
NEVER = "never"


@dataclass(frozen=True, slots=True)
class Case:
    """One filter, or a pair, with values of some kind."""

    filters: str
    values: str
    asked: Filters


CASES = (
    Case("none", "all", Filters()),
    Case("model", "common", Filters(model="bolt")),
    Case("model", "rare", Filters(model="washer")),
    Case("model", "long ago", Filters(model="retired")),
    Case("model", "absent", Filters(model=NEVER)),
    Case("model, version", "common", Filters(model="bolt", version="2")),
    Case("model, version", "absent", Filters(model="bolt", version="9")),
    Case("verdict", "reject", Filters(verdict="reject")),
    Case("verdict", "pass", Filters(verdict="pass")),
    Case("judgement", "common", Filters(judgement="good")),
    Case("judgement", "rare", Filters(judgement="unsure")),
    Case("judgement", "none", Filters(judgement="none")),
    Case("station", "common", Filters(station="north")),
    Case("station", "long ago", Filters(station="retired")),
    Case("station", "absent", Filters(station=NEVER)),
    Case("lot", "one", Filters(lot="lot-1")),
    Case("lot", "absent", Filters(lot=NEVER)),
    Case("part", "one", Filters(part="P000000777")),
    Case("part", "absent", Filters(part=NEVER)),
    Case("sha256", "absent", Filters(sha256="00" * 32)),
    Case("request", "absent", Filters(request_id=NEVER)),
    Case("kept", "any", Filters(kept="any")),
    Case("kept", "sample", Filters(kept="sample")),
    Case("kept", "near", Filters(kept="near")),
    Case("score", "common", Filters(score_min=0.05)),
    Case("score", "rare", Filters(score_min=0.9999, score_max=1.0)),
    Case("score", "1 in 20", Filters(score_min=0.85, score_max=0.999)),
    Case("score", "absent", Filters(score_min=9.0)),
    Case("score", "long ago, 15 %", Filters(score_min=2.0)),
    Case("score", "long ago, 45 %", Filters(score_min=1.5)),
    Case("station, verdict", "common", Filters(station="north", verdict="reject")),
    Case("station, verdict", "never meet", Filters(station="retired", verdict="pass")),
    Case("station, verdict", "absent", Filters(station=NEVER, verdict="reject")),
    Case("lot, verdict", "one", Filters(lot="lot-1", verdict="pass")),
    Case("lot, verdict", "never meet", Filters(lot="lot-0", verdict="pass")),
    Case("model, judgement", "common", Filters(model="bolt", judgement="defect")),
    Case("model, judgement", "none", Filters(model="bolt", judgement="none")),
    Case("model, judgement", "never meet", Filters(model="retired", judgement="none")),
)


def line(count: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Rows of a line of some weeks.

    Its first 45 % scored on another scale, and its first 15 % were of a model and a station that
    are gone.
    """
    at_us = NOON_US
    for number in range(count):
        share = number / count
        at_us += rng.randrange(1, 2_000_000)
        score = rng.random() ** 3
        if share < 0.45:
            score = 1.5 + 0.4 * rng.random()
        row: dict[str, Any] = {
            "model": rng.choice(("bolt", "nut")) if rng.random() > 1e-4 else "washer",
            "version": rng.choice(("1", "2")),
            "station": rng.choice(("north", "south", "east", "west")),
            "lot": f"lot-{number // 5000 + 1}",
        }
        anomalous = rng.random() < 0.05
        if share < 0.15:
            score = 2.0 + rng.random() * 0.5
            anomalous = True
            row |= {"model": "retired", "station": "retired", "lot": "lot-0"}
        judged = anomalous and (share < 0.15 or rng.random() < 0.3)
        yield {
            **ROW,
            **row,
            "at_us": at_us,
            "part": f"P{number:09}",
            "score": score,
            "anomalous": anomalous,
            "request_id": f"{rng.getrandbits(128):032x}",
            "sha256": rng.randbytes(32),
            "regions": '[{"box":[417,89,40,19],"area":387,"peak":0.57}]' if anomalous else None,
            "kept": _kept(anomalous, rng),
            "picture": anomalous,
            "judgement": rng.choices(("good", "defect", "unsure"), (500, 500, 1))[0]
            if judged
            else None,
        }


def _kept(anomalous: bool, rng: random.Random) -> str | None:
    if anomalous:
        return "reject"
    drawn = rng.random()
    return "sample" if drawn < 0.01 else "near" if drawn < 0.0101 else None


def store(record: Record, rows: Iterator[dict[str, Any]], source: int, count: int) -> list[float]:
    """Store so many of the rows; gives the rows a second of each tenth."""
    rates = []
    for _ in range(10):
        taken, stored = 0.0, 0
        while stored < count // 10:
            batch = [next(rows) | {"source_id": source} for _ in range(min(BATCH, count // 10))]
            begun = time.perf_counter()
            with record.database.writing() as connection:
                connection.execute(insert(inspections), batch)
            taken += time.perf_counter() - begun
            stored += len(batch)
        rates.append(stored / taken)
    return rates


def asked(record: Record, case: Case, until_us: int, pages: int, rng: random.Random) -> list[float]:
    """Times of pages in ms: the first ones, and some that begin anywhere in time."""
    times = []
    for number in range(pages):
        after = None
        if number % 4:
            after = Cursor(rng.randrange(NOON_US, until_us), 2**62)
        begun = time.perf_counter()
        with record.database.reading() as connection:
            page_of(connection, case.asked, limit=LIMIT, after=after)
        times.append(1000 * (time.perf_counter() - begun))
    return times


def percentile(times: list[float], share: float) -> float:
    """The time that so large a share of times does not exceed."""
    return sorted(times)[math.ceil(share * len(times)) - 1]


@contextmanager
def empty_records(database: str, folder: Path) -> Iterator[Callable[[int], Record]]:
    """Makes a new, empty record for each number of rows."""
    with contextlib.ExitStack() as closing:
        server = closing.enter_context(postgres_server()) if database == "postgresql" else None

        def make(step: int) -> Record:
            record = open_record(folder / str(step), server.new_url() if server else "sqlite")
            assert record is not None
            closing.callback(record.close)
            return record

        yield make


def bytes_of(record: Record) -> int:
    """What the rows and their indexes take on the disk."""
    if record.database.is_sqlite:
        with record.database._engine.connect() as connection:
            connection.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return (record.pictures.folder.parent / "record.sqlite").stat().st_size
    with record.database.reading() as connection:
        size = text("SELECT pg_total_relation_size('inspections')")
        return int(connection.execute(size).scalar_one())


def export_all(record: Record) -> None:
    """Print what an export of everything takes, in each format."""
    formats: tuple[ExportFormat, ...] = get_args(ExportFormat)
    for wanted in formats:
        begun, size = time.perf_counter(), 0
        for part in exported(record.database, Export(Filters(), wanted)):
            size += len(part)
        print(
            f"{wanted}: {time.perf_counter() - begun:.0f} s, {size / 1e6:.0f} MB; the process had "
            f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB so far",
            flush=True,
        )


def measure(record: Record, step: int, pages: int) -> tuple[list[float], list[list[float]]]:
    """Fill a record with a line of so many rows, and ask it.

    Returns:
        Rows a second of each tenth, and times of pages in ms for each of CASES.
    """
    with record.database.writing() as connection:
        stored = connection.execute(insert(sources).values(model="bolt", version="1", **SOURCE))
        assert stored.inserted_primary_key is not None
        source = stored.inserted_primary_key[0]
    rates = store(record, line(step, random.Random(step)), source, step)
    if not record.database.is_sqlite:
        _as_autovacuum_does(record)
    print(
        f"{step:>9,} rows: stored at {statistics.median(rates):,.0f} rows/s (slowest tenth "
        f"{min(rates):,.0f}), {bytes_of(record) / step:.0f} bytes a row with all indexes",
        flush=True,
    )
    rng = random.Random(1)
    until_us = NOON_US + step * 1_000_000
    times = []
    for case in CASES:
        asked(record, case, until_us, 2, rng)
        times.append(asked(record, case, until_us, pages, rng))
    if step == STEPS[-1]:
        export_all(record)
    return rates, times


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Pages of a large record.")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--least", type=int, default=STEPS[0], help="inspections at the beginning")
    parser.add_argument("--most", type=int, default=STEPS[-1], help="inspections at the end")
    parser.add_argument("--pages", type=int, default=200, help="of each filter at each size")
    options = parser.parse_args()
    steps = [step for step in STEPS if options.least <= step <= options.most]
    with (
        tempfile.TemporaryDirectory() as folder,
        empty_records(options.database, Path(folder)) as make,
    ):
        found = [measure(make(step), step, options.pages) for step in steps]
    print(f"\npages of {LIMIT}, in ms: p50 and p99 of {options.pages}, a quarter of them the first")
    print(f"{'filter':18}{'values':16}" + "".join(f"{step:>18,}" for step in steps))
    rates, last = found[-1]
    missed = [f"{min(rates):,.0f} rows/s"] if min(rates) < BAR_ROWS_PER_S else []
    for case, *times, slowest in zip(CASES, *(one for _, one in found), last, strict=True):
        cells = "".join(f"{percentile(one, 0.5):9.1f}{percentile(one, 0.99):9.1f}" for one in times)
        print(f"{case.filters:18}{case.values:16}{cells}")
        if (slow := percentile(slowest, 0.99)) >= BAR_MS:
            missed.append(f"{case.filters} ({case.values}) {slow:.0f} ms")
    print(f"bar: {'MISSED (' + ', '.join(missed) + ')' if missed else 'met'}")
    return 1 if missed else 0


def _as_autovacuum_does(record: Record) -> None:
    """What PostgreSQL does by itself within minutes of so many rows."""
    engine = record.database._engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("VACUUM ANALYZE inspections"))


if __name__ == "__main__":
    sys.exit(main())
