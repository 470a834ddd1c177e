"""The metrics of all replicas, whichever of them is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH = "/metrics"
LABEL = "replica"
_WITHIN_S = 5.0
"""Longest wait for the replicas; those that say nothing by then are left out."""

OfReplica = tuple[str, str]
"""A replica's id, and its metrics as text."""


class Texts(Protocol):
    """What Ray returns at once, where all replicas are asked."""

    def results_async(
        self, *, timeout_s: float | None = None, return_exceptions: bool = False
    ) -> Awaitable[list[OfReplica | BaseException]]:
        """Waits for all of them."""


class MetricsOfAll:
    """Answers for the metrics with those of every replica, told apart by a label.

    A request reaches any replica: from each alone, Prometheus would see counters that jump.

    Args:
        app: the application inside, which has answered who may ask.
        ask: asks every replica.
    """

    def __init__(self, app: ASGIApp, ask: Callable[[], Texts]) -> None:
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
        await Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")(
            scope, receive, send
        )


class _Together(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def together(texts: Sequence[OfReplica]) -> bytes:
    r"""One text of several, in which each series has the label of its replica.

    >>> together([("one", "# TYPE a gauge\na 1.0\n"), ("two", "# TYPE a gauge\na 2.0\n")])
    b'# HELP a \n# TYPE a gauge\na{replica="one"} 1.0\na{replica="two"} 2.0\n'
    """
    families: dict[str, Metric] = {}
    for replica, text in sorted(texts):
        for family in text_string_to_metric_families(text):
            merged = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                labels = {**sample.labels, LABEL: replica}
                merged.samples.append(sample._replace(labels=labels))
    registry = CollectorRegistry()
    registry.register(_Together(families.values()))
    return generate_latest(registry)


async def text_of(app: ASGIApp) -> str:
    """What an application without guards answers for its metrics."""
    body: list[bytes] = []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        body.append(message.get("body", b""))

    await app(scope, receive, send)
    return b"".join(body).decode()
