"""Traces: the spans of requests and frames."""

from __future__ import annotations

from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import ServerPart


def tracing_part(foundation: Foundation) -> ServerPart:
    """Sends at the end what was traced, to which all other parts may have added."""
    tracing = foundation.tracing
    if tracing is None:
        return ServerPart(name="tracing")
    return ServerPart(name="tracing", release=lambda left_s: tracing.close(left_s()))
