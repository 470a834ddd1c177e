"""What answers calls by gRPC; known to an app whether gRPC is installed or not."""

from __future__ import annotations

from dataclasses import dataclass

from takt.api.bodies import Bodies
from takt.api.oip.request import OipLimits
from takt.observing.instruments.metrics import Metrics
from takt.observing.journal import Journal
from takt.observing.tracing.base import Tracing
from takt.repository.repository import ModelRepository
from takt.security.guard import Guard


@dataclass(frozen=True, slots=True)
class RpcBackend:
    """The parts of an app that calls go through, the same as requests of HTTP.

    Attributes:
        repository: the models.
        journal: counts and logs each picture and each refusal.
        bodies: has the places of messages on their way, and their memory.
        limits: bounds of an inference request.
        guard: refuses callers who are not known, or may not ask this.
        metrics: has the gauge of requests in flight.
        tracing: records traces, if they are wanted.
    """

    repository: ModelRepository
    journal: Journal
    bodies: Bodies
    limits: OipLimits
    guard: Guard
    metrics: Metrics
    tracing: Tracing | None
