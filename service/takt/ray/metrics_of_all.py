"""The metrics of all replicas, whichever of them is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import Metric, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from takt.observing.instruments.merging import Told as Families
from takt.observing.instruments.merging import heard, merged
from takt.ray.replicas import Broadcast

PATH = "/metrics"
LABEL = "replica"
_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_WITHIN_S = 5.0
"""Longest wait for the replicas; those that say nothing by then are left out."""

OfReplica = tuple[str, Families]
"""A replica's name, and its metrics as one process tells them another."""


class MetricsOfAll:
    """Answers for the metrics with those of every replica, told apart by a label.

    A request reaches any replica: from each alone, Prometheus would see counters that jump, and in
    a sum it would take the end of a replica for a counter that begins anew.

    Args:
        app: the application inside, which has answered who may ask.
        ask: asks every replica.
    """

    def __init__(self, app: ASGIApp, ask: Callable[[], Broadcast[OfReplica]]) -> None:
        self._app = app
        self._ask = ask

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have a conversation."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        answers = await self._ask().results_async(timeout_s=_WITHIN_S, return_exceptions=True)
        found = [answer for answer in answers if not isinstance(answer, BaseException)]
        body = await asyncio.to_thread(together, found)
        await Response(body, media_type=_TYPE)(scope, receive, send)


def together(answers: Sequence[OfReplica]) -> bytes:
    """One text of several, in which each series has the label of its replica.

    >>> family = ["takt_streams", "Open.", "gauge", "", [["takt_streams", {}, 2.0, None]]]
    >>> together([("one", [family])]).splitlines()[-1]
    b'takt_streams{replica="one"} 2.0'
    """
    return generate_latest(_Read(merged(_labelled(*answer) for answer in sorted(answers))))


def _labelled(replica: str, families: Families) -> list[Metric]:
    found = heard(families)
    for family in found:
        family.samples = [
            sample._replace(labels={**sample.labels, LABEL: replica}) for sample in family.samples
        ]
    return found


class _Read(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
