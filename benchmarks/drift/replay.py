"""A week of a record goes through the watch again: how long it takes, and whether it agrees.

    python -m benchmarks.drift.replay [--pictures 604800] [--json FILE]

A record of made-up facts, a part a second at three stations, two of which change now and then. It
is watched as a server does, a few pictures at a time, and then replayed by `takt records alarms
--replay`'s own code. The alarms have to be the same, at the same pictures.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert

from service.core.bundles.thresholds import ThresholdPair
from service.core.pictures.facts import BLOCKS, FACT_NAMES, SIDE, Look
from service.core.pictures.good_facts import GoodFacts
from service.recording.record import Record, open_record
from service.recording.tables import inspections
from service.recording.watch import watcher as watching
from service.recording.watch.alarms import MOST_AT_ONCE, alarms_of
from service.recording.watch.known import WATCHED, KnownBundle, watched_of
from service.recording.watch.store import ReplayStore, replay_begins
from service.recording.watch.watcher import RecordWatcher
from service.watching.calibration import CalibratedFacts
from tests.recorded import NOON_US, ROW, insert_inspections

STATIONS = ("left", "right", "rear")
CHANGED_EVERY, CHANGED_FOR = 50_000, 5_000
PORTION = 10_000


def known_bundle(rng: np.random.Generator) -> KnownBundle:
    """What a bundle of 200 good pictures says."""
    look = Look(np.zeros((SIDE, SIDE), np.float32), np.ones((BLOCKS, BLOCKS), np.float32))
    facts = GoodFacts(rng.normal(size=(200, len(FACT_NAMES))).astype(np.float32), look)
    calibration = CalibratedFacts(WATCHED, watched_of(facts.table))
    return KnownBundle(facts, calibration, ThresholdPair(0.5, 0.5), 0.01, "proven", 0.02)


def rows_of(rng: np.random.Generator, pictures: int, source: int) -> Iterator[list[dict[str, Any]]]:
    """Rows of a record, a portion at a time."""
    brightness, score = FACT_NAMES.index("brightness"), FACT_NAMES.index("score")
    for start in range(0, pictures, PORTION):
        numbers = np.arange(start, min(pictures, start + PORTION))
        table = rng.normal(size=(len(numbers), len(FACT_NAMES))).astype(np.float32)
        changed = numbers % CHANGED_EVERY < CHANGED_FOR
        later = numbers >= CHANGED_EVERY
        table[changed & later & (numbers % 3 == 0), brightness] -= 3
        table[changed & later & (numbers % 3 == 1), score] += 4
        rejected = rng.random(len(numbers)) < 0.01
        yield [
            {
                **ROW,
                "model": "bolt",
                "source_id": source,
                "at_us": NOON_US + int(number) * 1_000_000,
                "station": STATIONS[number % 3],
                "anomalous": bool(one),
                "facts": facts.tobytes(),
            }
            for number, one, facts in zip(numbers, rejected, table, strict=True)
        ]


def main() -> None:
    """Make a week, watch it, replay it, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=7 * 24 * 3600)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    known = known_bundle(rng)
    with tempfile.TemporaryDirectory() as folder:
        record = open_record(Path(folder), "sqlite")
        assert record is not None
        found = _measure(record, rng, known, asked.pictures)
        record.close()
    print(json.dumps(found, indent=2))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2))


def _measure(
    record: Record, rng: np.random.Generator, known: KnownBundle, pictures: int
) -> dict[str, Any]:
    watcher = RecordWatcher(record.database, lambda *bundle: known)
    (first,) = insert_inspections(record, [{}])
    watcher.turn()
    watched_s = 0.0
    for rows in rows_of(rng, pictures, source=first):
        with record.database.writing() as connection:
            connection.execute(insert(inspections), rows)
        started_s = time.perf_counter()
        # As far as a server comes in two seconds, not all at once.
        watching.AT_ONCE = int(rng.integers(50, 3000))  # type: ignore[misc]
        while watcher.turn().more:
            pass
        watched_s += time.perf_counter() - started_s
    with record.database.reading() as connection:
        kept = list(alarms_of(connection, limit=MOST_AT_ONCE)[::-1])
        again = ReplayStore(replay_begins(connection))
    watching.AT_ONCE = 5000  # type: ignore[misc]
    started_s = time.perf_counter()
    replaying = RecordWatcher(record.database, lambda *bundle: known, again)
    while replaying.turn().more:
        pass
    replayed_s = time.perf_counter() - started_s
    return {
        "pictures": pictures,
        "watched_s": round(watched_s, 1),
        "replayed_s": round(replayed_s, 1),
        "us_a_picture": round(1e6 * replayed_s / pictures, 1),
        "alarms": len(kept),
        "by_cause": {
            cause: sum(one.cause == cause for one in kept)
            for cause in ("camera", "defects", "promise")
        },
        "same": again.alarms == kept,
    }


if __name__ == "__main__":
    main()
