"""The server's status: the few numbers that matter, and the alert conditions that hold."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from takt.api.rest.server_status import server_status_router
from takt.observing.status.host_state import DiskUse, HostReader
from takt.observing.status.reading import read_all, read_own
from takt.observing.status.watch import StatusWatch
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import ServerPart


def status_part(foundation: Foundation) -> ServerPart:
    """Reads the instruments every few seconds, and tells how the server fares."""
    settings, lifetime = foundation.settings, foundation.lifetime
    own = partial(read_own, foundation.metrics, foundation.journal)
    all_of_them = partial(read_all, foundation.host_metrics)
    folders: dict[DiskUse, Path] = {"models": settings.repository_folder}
    if foundation.records.has_record:
        folders["record"] = settings.data_folder
    status = StatusWatch(
        own if foundation.peers.workers == 1 else all_of_them,
        HostReader(folders, foundation.gpus),
        began_s=lambda: lifetime.began_s,
        leads=foundation.peers.leading.is_set,
    )
    return ServerPart(
        name="status",
        routers=(server_status_router(status, foundation.peers.workers),),
        once_leading=(status.run, status.follow_host),
    )
