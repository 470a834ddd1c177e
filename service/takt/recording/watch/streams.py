"""The streams that are watched: pictures of one model at one station, and a model's rejects."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from takt.recording.watch.alarms import AlarmCause, MovedFact
from takt.watching.calibration import CalibratedFacts
from takt.watching.causes import Cause, CauseAlarm, CauseEnded, CauseWatch
from takt.watching.explaining import explaining_first
from takt.watching.promise import PromiseTest

StreamKind = Literal["stream", "promise"]
CAUSES_OF: Final[dict[StreamKind, tuple[AlarmCause, ...]]] = {
    "stream": ("camera", "defects"),
    "promise": ("promise",),
}
"""What alarms of each kind of stream may be about."""


@dataclass(frozen=True, slots=True)
class StreamKey:
    """What tells a stream from others; `station` is empty for pictures without one."""

    kind: StreamKind
    model: str
    station: str


@dataclass(frozen=True)
class Seen:
    """Pictures of one stream, in the order of their numbers.

    Attributes:
        ids: their inspections [m].
        at_us: their times, in µs of Unix time [m].
        facts: those that a watch goes by, float64 [m, watched].
        rejected: whether each was, by the bundle's own thresholds [m].
    """

    ids: NDArray[np.int64]
    at_us: NDArray[np.int64]
    facts: NDArray[np.float64]
    rejected: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class StreamRaised:
    """An alarm that a stream has raised with one of the pictures that it saw.

    Attributes:
        cause: of it.
        at: number of the picture among those that were seen just now.
        back: how many pictures of the stream before that one it seems to have begun.
        moved: what speaks for it; `usual` and `now` are NaN for facts of pictures, which whoever
            has them tells.
    """

    cause: Cause | Literal["promise"]
    at: int
    back: int
    moved: tuple[MovedFact, ...]


@dataclass(frozen=True, slots=True)
class StreamOver:
    """A cause that has ended, with the picture of which number among those seen just now."""

    cause: Cause
    at: int


StreamEvent = StreamRaised | StreamOver


class PictureStream:
    """The watch of pictures of one model at one station.

    Args:
        calibration: of the bundle that they are held against.
    """

    def __init__(self, calibration: CalibratedFacts) -> None:
        self._watch = CauseWatch(calibration)

    def see(self, seen: Seen) -> list[StreamEvent]:
        """What some pictures make happen."""
        first = self._watch.pictures
        events: list[StreamEvent] = []
        for event in self._watch.see_all(seen.facts):
            if isinstance(event, CauseEnded):
                events.append(StreamOver(event.alarm.cause, event.picture - first))
            else:
                events.append(self._raised(event, first))
        return events

    def _raised(self, alarm: CauseAlarm, first: int) -> StreamRaised:
        whole = sum(one.evidence for one in alarm.moved)
        moved = [
            MovedFact(
                one.fact,
                one.side,
                share=one.evidence / whole,
                usual=float("nan"),
                now=float("nan"),
            )
            for one in alarm.moved
        ]
        back = alarm.picture - alarm.since
        return StreamRaised(alarm.cause, alarm.picture - first, back, explaining_first(moved))

    def restart(self) -> None:
        """Forget what was seen: somebody has seen to the camera or the light."""
        self._watch.restart()

    def state(self) -> bytes:
        """What it remembers."""
        return self._watch.state()

    def resume(self, state: bytes) -> None:
        """Go on from what another one remembered; of another calibration it remembers nothing."""
        self._watch.resume(state)


class RejectStream:
    """What a model rejects at all stations, against what it promises for good parts.

    Args:
        promised: share of good parts that it may reject; None where nothing is promised, so that
            parts are only counted.
    """

    def __init__(self, promised: float | None) -> None:
        self._promised = promised
        self._test = PromiseTest(1.0 if promised is None else promised)

    def see(self, seen: Seen) -> list[StreamEvent]:
        """What some pictures make happen: an alarm, once."""
        test = self._test
        if self._promised is None:
            test.parts += len(seen)
            test.rejected += int(seen.rejected.sum())
            return []
        at = test.see(seen.rejected)
        if at is None:
            return []
        moved = MovedFact("rejected", "high", 1.0, self._promised, test.rejected / test.parts)
        return [StreamRaised("promise", at, test.parts - len(seen) + at, (moved,))]

    def restart(self) -> None:
        """Maintenance changes nothing about what a model promises."""

    def state(self) -> bytes:
        """What it remembers."""
        said = asdict(self._test) | {"evidence": self._test.evidence.tolist()}
        return json.dumps(said).encode()

    def resume(self, state: bytes) -> None:
        """Go on from what another one remembered; of another promise it remembers nothing."""
        kept = rejects_of(state)
        if kept.promised == self._test.promised:
            self._test = kept


Stream = PictureStream | RejectStream


def rejects_of(state: bytes) -> PromiseTest:
    """What a stream of rejects remembers."""
    said = json.loads(state)
    return PromiseTest(**said | {"evidence": np.array(said["evidence"])})
