"""Opens the outlets that the setting `plugins` names, and closes all outlets of a server."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prometheus_client import CollectorRegistry

from service.core.plugins import OUTLETS, load, make, select, variables_prefix
from service.observing.records import Outlet
from service.outlets.metrics import OutletMetrics
from service.outlets.plugin import OutletContext, Sender
from service.outlets.queued import QueuedOutlet

logger = logging.getLogger("takt.outlets")


def open_outlets(
    plugins: Iterable[str], data_folder: Path, registry: CollectorRegistry, worker: int
) -> list[Outlet]:
    """Load the outlets among the plugins, and open each; none has started yet.

    Args:
        plugins: names of plugins of any kind.
        data_folder: in which each has a folder of its own.
        registry: what `/metrics` shows.
        worker: number of this process.

    Raises:
        ConfigurationError: a plugin is not installed, cannot be loaded or refuses its options.
    """
    wanted = list(plugins)
    found = select(OUTLETS, wanted)
    if not found:
        return []
    factories = load(OUTLETS, wanted)
    metrics = OutletMetrics(registry)
    outlets: list[Outlet] = []
    for plugin in found:
        folder = data_folder / "outlets" / plugin.name
        context = OutletContext(plugin.name, options_of(plugin.name), folder, worker)
        sender = make(plugin, factories[plugin.name], context, Sender)
        outlets.append(QueuedOutlet(plugin.name, sender, metrics))
    return outlets


def options_of(name: str) -> dict[str, str]:
    """What the environment has for a plugin, by the rest of each variable's name."""
    prefix = variables_prefix(name)
    return {
        variable[len(prefix) :].lower(): value
        for variable, value in os.environ.items()
        if variable.upper().startswith(prefix)
    }


def close_outlets(outlets: Sequence[Outlet], timeout_s: float) -> None:
    """Close all at once, each within the same time."""
    if not outlets:
        return
    with ThreadPoolExecutor(len(outlets), thread_name_prefix="closing") as pool:
        for closing in [pool.submit(one.close, timeout_s) for one in outlets]:
            if (error := closing.exception()) is not None:
                logger.error("an outlet has not ended well: %s", error, exc_info=error)
