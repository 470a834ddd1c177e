"""Outcomes of requests, all kept, so that every percentile is exact."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OK = 200

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
        ended_s: when, by the run's clock.
        status: of HTTP; 0 where no answer with a status came.
        code: `ok`, the code of the server's problem, or one of those above.
        sent_bytes: of the picture.
        received_bytes: of the answer's body.
        age_ms: of a stream's answer, by the server; NaN where there is none.
        anomalous: verdict, where verdicts are counted.
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
        intended_s: float64, when it was due, from the run's start.
        lag_s: float64, how late the generator began it.
        latency_s: float64, from `intended_s` to its end.
        age_ms: float64, NaN where there is none.
        kind: int, its index in `kinds`.
        sent_bytes: int.
        received_bytes: int.
        anomalous: bool.
        kinds: the outcomes that occurred.
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


class Samples:
    """Samples of the requests that ended; 57 bytes each."""

    def __init__(self) -> None:
        self._intended_s = array("d")
        self._lag_s = array("d")
        self._latency_s = array("d")
        self._age_ms = array("d")
        self._kind = array("H")
        self._sent_bytes = array("q")
        self._received_bytes = array("q")
        self._anomalous = array("B")
        self._kinds: dict[OutcomeKind, int] = {}

    def __len__(self) -> int:
        return len(self._intended_s)

    def add(
        self, start_s: float, intended_s: float, turned_to_s: float, outcome: RequestOutcome
    ) -> None:
        """Keep a sample.

        Args:
            start_s: start of the run; this and the next two are by its clock.
            intended_s: when the request was due.
            turned_to_s: when the generator began it.
            outcome: of the request.
        """
        kind = OutcomeKind(outcome.status, outcome.code)
        self._intended_s.append(intended_s - start_s)
        self._lag_s.append(turned_to_s - intended_s)
        # Not from when it was sent: a server that stalls also delays the requests after.
        self._latency_s.append(outcome.ended_s - intended_s)
        self._age_ms.append(outcome.age_ms)
        self._kind.append(self._kinds.setdefault(kind, len(self._kinds)))
        self._sent_bytes.append(outcome.sent_bytes)
        self._received_bytes.append(outcome.received_bytes)
        self._anomalous.append(outcome.anomalous)

    def columns(self, first: int = 0) -> Columns:
        """A copy of the samples, from a number on."""
        return Columns(
            np.array(self._intended_s[first:]),
            np.array(self._lag_s[first:]),
            np.array(self._latency_s[first:]),
            np.array(self._age_ms[first:]),
            np.array(self._kind[first:]),
            np.array(self._sent_bytes[first:]),
            np.array(self._received_bytes[first:]),
            np.array(self._anomalous[first:], dtype=np.bool_),
            tuple(self._kinds),
        )
