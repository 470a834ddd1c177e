"""The server's status: the few numbers that matter, and the alert conditions that hold."""

from __future__ import annotations

from functools import partial

from service.api.rest.server_status import server_status_router
from service.observing.status.reading import read_all, read_own
from service.observing.status.watch import watch_status
from service.parts.composing.foundation import Foundation
from service.parts.composing.part import ServerPart


def status_part(foundation: Foundation) -> ServerPart:
    """Reads the instruments every few seconds, and tells how the server fares."""
    settings, lifetime = foundation.settings, foundation.lifetime
    own = partial(read_own, foundation.metrics, foundation.journal)
    all_of_them = partial(read_all, foundation.host_metrics)
    status = watch_status(
        own if foundation.peers.workers == 1 else all_of_them,
        foundation.gpus,
        settings.repository_folder,
        settings.data_folder if foundation.records.has_record else None,
        lambda: lifetime.began_s,
        foundation.peers.leading.is_set,
    )
    return ServerPart(
        name="status",
        routers=(server_status_router(status, foundation.peers.workers),),
        once_leading=tuple(status.jobs),
    )
