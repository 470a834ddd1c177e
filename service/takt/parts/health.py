"""Health and metrics, on the server's port and on one of their own."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.types import ASGIApp

from takt.api.metrics_app import metrics_app
from takt.api.request_context import RequestContext
from takt.api.rest.status import health_router, metrics_router
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import ServerPart
from takt.security.credentials import Credentials
from takt.security.guard import Guard


def health_part(foundation: Foundation) -> ServerPart:
    """Answers probes, and Prometheus where the metrics have no port of their own."""
    routers = [_probed(foundation)]
    if foundation.settings.metrics_port is None:
        routers.append(_scraped(foundation))
    return ServerPart(name="health", routers=routers)


def metrics_app_of(foundation: Foundation) -> ASGIApp:
    """What answers on the port that the metrics may have: it asks nobody for a key."""
    context = partial(
        RequestContext,
        metrics=foundation.metrics,
        max_body_bytes=0,
        gate=foundation.gate,
        guard=Guard(Credentials(())),
        page_headers={},
    )
    return metrics_app((_probed(foundation), _scraped(foundation)), foundation.journal, context)


def _probed(foundation: Foundation) -> APIRouter:
    return health_router(foundation.models.repository, foundation.models.mirror)


def _scraped(foundation: Foundation) -> APIRouter:
    return metrics_router(foundation.host_metrics, foundation.gpus)
