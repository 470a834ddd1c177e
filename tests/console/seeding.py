"""A record that a line has filled: inspections with pictures, of the last days."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from takt.recording.pictures import PictureKey, sha256_of
from takt.recording.record import open_record
from tests.recorded import insert_inspections

DAY_US = 86_400_000_000
SIDE = 640
_REASONS = ("reject", "near", "sample")
_PICTURES = 40

More = Callable[[int], dict[str, Any]]


def seed(
    folder: Path,
    count: int,
    more: More = lambda number: {},
    *,
    end_us: int | None = None,
    gap_us: int = 1_000_000,
) -> list[int]:
    """Fill the record of a data folder with kept inspections, one after the other.

    Args:
        folder: of the server's data.
        count: of inspections: rejects, near misses and samples in turn.
        more: what else a row has, by its number; 0 is the oldest.
        end_us: time of the newest one, in µs of Unix time; else a moment ago.
        gap_us: between two.

    Returns:
        Their ids, the newest first, as the console shows them.
    """
    record = open_record(folder, "sqlite")
    assert record is not None
    end_us = end_us or int(time.time() * 1e6) - 1_000_000
    pictures = list(_pictures(min(count, _PICTURES)))
    rows = []
    for number in range(count):
        kept, picture = _REASONS[number % 3], pictures[number % len(pictures)]
        key = PictureKey(end_us - (count - 1 - number) * gap_us, sha256_of(picture), "jpeg")
        record.pictures.write(key, picture)
        rejected = kept == "reject"
        rows.append(
            {
                **{"at_us": key.at_us, "kept": kept, "picture": True, "anomalous": rejected},
                **{"score": (0.75, 0.48, 0.2)[number % 3], "part": f"P{number}"},
                **{"sha256": bytes.fromhex(key.sha256), "width": SIDE, "height": SIDE},
                "regions": _REGIONS if rejected else None,
            }
            | more(number)
        )
    ids = insert_inspections(record, rows)
    record.close()
    return ids[::-1]


_REGIONS = '[{"box":[260,200,120,90],"area":9000,"peak":0.9}]'


def _pictures(count: int) -> Iterator[bytes]:
    """JPEGs of a grey part with a spot, each with its number."""
    for number in range(count):
        levels = np.full((SIDE, SIDE, 3), 110 + 2 * number, np.uint8)
        cv2.ellipse(levels, (320, 245), (50, 35), 0, 0, 360, (60, 60, 70), -1)
        cv2.putText(levels, str(number), (40, 560), cv2.FONT_HERSHEY_SIMPLEX, 5, (30,) * 3, 12)
        yield cv2.imencode(".jpg", levels)[1].tobytes()
