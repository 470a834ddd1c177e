"""A repository at a URL: the mirror of it, by the rules of models, made of a server's settings."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from takt.core.bundles.signing.signature import TrustedKeys
from takt.core.errors import ConfigurationError
from takt.mirroring.folder import MirrorFolder
from takt.mirroring.location import is_url, parse_location
from takt.mirroring.metrics import MirrorMetrics
from takt.mirroring.mirror import Mirror, ModelRules
from takt.mirroring.store import open_store
from takt.mirroring.worker import BundleSource, MirrorWorker
from takt.peers import Peers
from takt.repository.activation import ACTIVE, Activation
from takt.settings import Settings


def open_mirror(
    settings: Settings,
    is_active: Callable[[str, str], bool],
    registry: CollectorRegistry,
    peers: Peers,
) -> MirrorWorker | None:
    """The mirror of a repository at a URL, which has not looked yet; None for a folder.

    What a process has left in the folder that was stopped on its way is put in order.

    Args:
        settings: of the server.
        is_active: whether a version, by model and version, answers where a request names none.
        registry: what `/metrics` shows.
        peers: the other workers of the server.

    Raises:
        ConfigurationError: bundles cannot come from there, a package is missing, or the folder
            cannot be made.
    """
    if not is_url(settings.repository):
        return None
    location, ending = parse_location(settings.repository), threading.Event()
    store, folder = open_store(location, ending), MirrorFolder(settings.repository_folder)
    # On a disk that takes nothing what is there can be served.
    with contextlib.suppress(ConfigurationError), folder.locked() as is_ours:
        if is_ours:
            folder.recover()
    keys = TrustedKeys(settings.trusted_keys) if settings.trusted_keys else None
    mirror = Mirror(store, folder, keys, ModelRules(ACTIVE, _decided, is_active))
    return MirrorWorker(
        mirror,
        BundleSource(location.url),
        folder.path,
        settings.repository_poll_s,
        MirrorMetrics(registry),
        ending,
        peers,
    )


def _decided(content: bytes) -> str:
    return Activation.checked(content, Path(ACTIVE), ConfigurationError).active
