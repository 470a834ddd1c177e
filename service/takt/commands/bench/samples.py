"""Outcomes of requests, all kept, so that every percentile is exact."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OK = 200

_ROW = struct.Struct("<4dH2q?")
_ROW_DTYPE = np.dtype(
    [
        *((name, "<f8") for name in ("intended_s", "lag_s", "latency_s", "age_ms")),
        *(("kind", "<u2"), ("sent_bytes", "<i8"), ("received_bytes", "<i8"), ("anomalous", "?")),
    ]
)

DROPPED = "dropped"
"""Code of a frame that a newer one replaced."""

CONNECTION_FAILED = "connection_failed"
UNANSWERED = "unanswered"
"""Code of a request without an answer within the timeout."""

CUT_OFF = "cut_off"
"""Code of a request under way when the run was interrupted; it tells nothing about the server."""


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """Outcome of a request.

    Attributes:
        ended_s: time of its end, by the run's clock.
        status: HTTP status; 0 if no answer with a status came.
        code: `ok`, the code of the server's problem, or one of the codes above.
        sent_bytes: bytes of the picture.
        received_bytes: bytes of the answer's body.
        age_ms: age of a stream's answer, by the server; NaN if there is none.
        anomalous: whether the verdict is anomalous, if verdicts are counted.
    """

    ended_s: float
    status: int
    code: str
    sent_bytes: int = 0
    received_bytes: int = 0
    age_ms: float = float("nan")
    anomalous: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeKind:
    """Status and code of an outcome."""

    status: int
    code: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Samples of all requests, one element each, in the order in which they ended.

    Attributes:
        intended_s: time at which the request was due, from the run's start.
        lag_s: delay with which the generator began it.
        latency_s: time from `intended_s` to its end.
        age_ms: age of a stream's answer; NaN if there is none.
        kind: index of its outcome in `kinds`.
        sent_bytes: bytes of the picture.
        received_bytes: bytes of the answer's body.
        anomalous: whether the verdict is anomalous.
        kinds: status and code of the outcomes that occurred.
    """

    intended_s: NDArray[np.float64]
    lag_s: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    age_ms: NDArray[np.float64]
    kind: NDArray[np.uint16]
    sent_bytes: NDArray[np.int64]
    received_bytes: NDArray[np.int64]
    anomalous: NDArray[np.bool_]
    kinds: tuple[OutcomeKind, ...]

    @property
    def status(self) -> NDArray[np.int64]:
        """HTTP status of each request; 0 if no answer with a status came."""
        return np.array([kind.status for kind in self.kinds], dtype=np.int64)[self.kind]


class Samples:
    """Samples of the requests that ended; 51 bytes each.

    >>> samples = Samples()
    >>> samples.add(0.0, 1.0, 1.0, RequestOutcome(1.5, OK, "ok"))
    >>> samples.columns().latency_s.tolist()
    [0.5]
    """

    def __init__(self) -> None:
        self._rows = bytearray()
        self._kinds: dict[OutcomeKind, int] = {}

    def __len__(self) -> int:
        return len(self._rows) // _ROW.size

    def add(
        self, start_s: float, intended_s: float, turned_to_s: float, outcome: RequestOutcome
    ) -> None:
        """Keeps the sample of a request.

        Args:
            start_s: start of the run, by its clock, as the next two times.
            intended_s: time at which the request was due.
            turned_to_s: time at which the generator began it.
            outcome: outcome of the request.
        """
        kind = OutcomeKind(outcome.status, outcome.code)
        self._rows += _ROW.pack(
            intended_s - start_s,
            turned_to_s - intended_s,
            # Not from when it was sent: a server that stalls also delays the requests after.
            outcome.ended_s - intended_s,
            outcome.age_ms,
            self._kinds.setdefault(kind, len(self._kinds)),
            outcome.sent_bytes,
            outcome.received_bytes,
            outcome.anomalous,
        )

    def columns(self, first: int = 0) -> Columns:
        """Copy of the samples from the number `first` on."""
        table = np.frombuffer(self._rows[first * _ROW.size :], _ROW_DTYPE)
        columns = {name: np.ascontiguousarray(table[name]) for name in _ROW_DTYPE.names or ()}
        return Columns(**columns, kinds=tuple(self._kinds))
