"""How many replicas there should be, by how long pictures wait.

Ray runs this in its controller, which has a copy of this module and need not have the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

QUEUE_WAIT_MS = "queue_wait_ms"
"""Name of a replica's figure: what 95 of a hundred pictures waited at most for their turns."""
BUSY = "busy"
"""Name of a replica's figure: the share of its cores, or of its engines' time, that is used."""

_MOST_BUSY = 0.7
"""Share at which replicas that remain may work: one more would be asked for soon."""


class Context(Protocol):
    """What Ray tells of a deployment, as far as it matters here."""

    current_num_replicas: int
    aggregated_metrics: Mapping[str, Mapping[Any, float]] | None


class QueueWait:
    """As many replicas as keep the wait at its target: twice the wait asks for twice as many.

    The number at most doubles at once. None is taken away that the others could not do without, as
    a wait is short until a replica has all it can do, and long from there on.

    Args:
        target_ms: wait that is allowed.
    """

    def __init__(self, target_ms: float = 50.0) -> None:
        self._target_ms = target_ms

    def __call__(self, context: Context) -> tuple[float, dict[str, Any]]:
        """The number that is wanted; Ray applies bounds and delays."""
        replicas = context.current_num_replicas
        figures = context.aggregated_metrics or {}
        waits_ms = list(figures.get(QUEUE_WAIT_MS, {}).values())
        if not replicas or not waits_ms:
            return max(1, replicas), {}
        excess = sum(waits_ms) / len(waits_ms) / self._target_ms
        if excess > 1:
            return replicas * min(2.0, excess), {}
        work = sum(figures.get(BUSY, {}).values())
        needed = max(excess * replicas, math.ceil(work / _MOST_BUSY))
        return min(replicas, max(1, needed)), {}
