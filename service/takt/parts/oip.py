"""The Open Inference Protocol, over HTTP and gRPC."""

from __future__ import annotations

from takt.api.oip.request import OipLimits
from takt.api.oip.routes import oip_router
from takt.api.rpc.backend import RpcBackend
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import ServerPart


def oip_part(foundation: Foundation) -> ServerPart:
    """Answers the protocol's requests."""
    routes = oip_router(
        foundation.models.repository,
        foundation.journal,
        foundation.bodies,
        OipLimits.of(foundation.settings),
    )
    return ServerPart(name="oip", routers=(routes,))


def rpc_backend(foundation: Foundation) -> RpcBackend:
    """What answers the protocol's calls by gRPC, on a port of their own."""
    return RpcBackend(
        foundation.models.repository,
        foundation.journal,
        foundation.bodies,
        OipLimits.of(foundation.settings),
        foundation.access.guard,
        foundation.metrics,
        foundation.tracing,
    )
