"""The models of a server, with what keeps them as their folder and other workers have them."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from takt.mirroring.worker import MirrorWorker
from takt.observing.instruments.metrics import Metrics
from takt.recording.audit.trail import AuditTrail
from takt.repository.context import VersionContext
from takt.repository.folder_watch import FolderWatch
from takt.repository.mirrored import open_mirror
from takt.repository.orders import Orders
from takt.repository.repository import ModelRepository
from takt.repository.versions import has_nothing
from takt.settings import Settings

logger = logging.getLogger("takt.repository")


@dataclass(frozen=True, slots=True)
class Models:
    """The models, and whatever changes them.

    Attributes:
        context: what their versions are loaded with.
        repository: has them.
        watch: looks at their folder.
        orders: makes the changes that somebody asks for.
        mirror: brings bundles from a URL; None where they are in a folder.
    """

    context: VersionContext
    repository: ModelRepository
    watch: FolderWatch
    orders: Orders
    mirror: MirrorWorker | None

    def look(self) -> None:
        """Have the folder, and the URL that it may come from, looked at now."""
        if self.mirror is not None:
            self.mirror.ask()
        self.watch.ask()


def open_models(
    settings: Settings, context: VersionContext, metrics: Metrics, trail: AuditTrail
) -> Models:
    """The models of a repository, which are not loaded yet.

    Args:
        settings: of the server.
        context: what their versions are loaded with.
        metrics: where they report.
        trail: has what is changed noted.

    Raises:
        ConfigurationError: the named folder is not there, or holds something else than models; or
            none can come from the URL.
    """
    folder, peers = settings.repository_folder, context.peers

    def is_active(name: str, version: str) -> bool:
        # Asked by the mirror once it looks, which is after the models were made.
        return repository.is_active(name, version)

    # What it has left half done is put in order before the folder is read.
    mirror = open_mirror(settings, is_active, metrics.registry, peers)
    next_look = mirror.next_look if mirror else None
    begins_empty = mirror is None and (has_nothing(folder) or _is_nobodys(settings))
    repository = ModelRepository(folder, context, next_look, begins_empty=begins_empty)
    if begins_empty:
        logger.warning("%s", repository.waits)
    watch = FolderWatch(folder, repository, settings.repository_poll_s, peers)
    orders = Orders(repository, watch, metrics, trail, peers)
    return Models(context, repository, watch, orders, mirror)


def _is_nobodys(settings: Settings) -> bool:
    """Whether nobody has named the folder, so that its name is no typo, and it is not there."""
    return "repository" not in settings.model_fields_set and not settings.repository_folder.exists()
