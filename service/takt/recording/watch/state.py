"""What is watched now, for people: each stream, how far it has come and what it could find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from takt.core.bundles.manifest import Promise
from takt.core.intervals import UNKNOWN, ShareInterval
from takt.recording.tables import watched
from takt.recording.watch.known import KnownOf
from takt.recording.watch.streams import rejects_of
from takt.watching.least import LeastShift
from takt.watching.promise import PromiseTest, between


@dataclass(frozen=True, slots=True)
class WatchedStream:
    """A stream that is watched.

    Attributes:
        model: its name.
        version: that the pictures are held against.
        station: empty for pictures without one, and for what a model rejects at all of them.
        active: whether the version answers where a request names none.
        seen: number of pictures.
        calibrated_on: good pictures that say what is usual; None where the version is not here.
        least_shift: the least change of a fact that is found in time.
        rejects: parts that were judged by the bundle's own thresholds, and those rejected; None
            for a stream of pictures.
        between: where the share of rejects lies.
        alpha: share of good parts that the thresholds were found for.
        promise: what alpha is.
        promised: share of good parts that one honest model of twenty rejects more than.
    """

    model: str
    version: str
    station: str
    active: bool
    seen: int
    calibrated_on: int | None
    least_shift: LeastShift | None
    rejects: PromiseTest | None
    between: ShareInterval
    alpha: float | None
    promise: Promise | None
    promised: float | None


def watched_streams(
    connection: Connection, known_of: KnownOf, is_active: Callable[[str, str], bool]
) -> list[WatchedStream]:
    """Every stream that is watched, by model and station."""
    rows = connection.execute(
        select(watched).order_by(watched.c.kind, watched.c.model, watched.c.station)
    )
    found = []
    for row in rows:
        known = known_of(row.model, row.version, row.digest)
        calibration = None if known is None else known.calibration
        rejects = rejects_of(row.state) if row.kind == "promise" else None
        found.append(
            WatchedStream(
                row.model,
                row.version,
                row.station,
                is_active(row.model, row.version),
                row.seen,
                None if calibration is None else calibration.pictures,
                None if known is None or rejects else known.least_shift,
                rejects,
                UNKNOWN if rejects is None else between(rejects.rejected, rejects.parts),
                None if known is None else known.alpha,
                None if known is None else known.promise,
                None if known is None else known.promised,
            )
        )
    return found
