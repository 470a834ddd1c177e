"""Traces: the spans of requests and frames."""

from __future__ import annotations

from service.parts.composing.foundation import Foundation
from service.parts.composing.part import Left, ServerPart


def tracing_part(foundation: Foundation) -> ServerPart:
    """Sends at the end what was traced, to which all other parts may have added."""
    tracing = foundation.tracing
    if tracing is None:
        return ServerPart(name="tracing")

    async def release(left_s: Left) -> None:
        await tracing.close(left_s())

    return ServerPart(name="tracing", release=release)
