"""Streams of frames, and those who watch them."""

from __future__ import annotations

from takt.api.stream.routes import Streams, stream_router
from takt.api.stream.shown_picture import PictureEncoder
from takt.api.stream.watching import Watching, watching_router
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import Left, ServerPart


def streams_part(foundation: Foundation) -> ServerPart:
    """Streams; at the end each answers what it accepted, before the models are closed."""
    sessions, guard, peers = foundation.sessions, foundation.access.guard, foundation.peers
    encoder = PictureEncoder()
    streams = Streams(
        foundation.models.repository,
        foundation.metrics,
        foundation.journal,
        sessions,
        foundation.memory,
        foundation.views,
        foundation.settings,
        guard,
        peers,
        foundation.tracing,
    )
    watching = Watching(sessions, guard, encoder, peers)

    async def release(left_s: Left) -> None:
        encoder.close()

    return ServerPart(
        name="streams",
        routers=(stream_router(streams), watching_router(watching)),
        close=lambda left_s: sessions.close(left_s()),
        release=release,
    )
