"""Opens the outlets that the settings name, and closes all outlets of a server."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from takt.core.errors import ConfigurationError
from takt.core.plugins import OUTLETS, load, make, select, variables_prefix
from takt.observing.records import Outlet
from takt.outlets.delivery import delivery_sender
from takt.outlets.metrics import OutletMetrics
from takt.outlets.plugin import Delivery, OutletContext, Sender
from takt.outlets.queued import QueuedOutlet
from takt.outlets.settings import OutletSettings

_NEEDED = {
    "mqtt_topic": ("mqtt_url", "such as mqtt://broker:1883"),
    "mqtt_user": ("mqtt_url", "such as mqtt://broker:1883"),
    "mqtt_password_file": ("mqtt_url", "such as mqtt://broker:1883"),
    "mqtt_ca": ("mqtt_url", "such as mqtts://broker:8883"),
    "webhooks_private_hosts": ("webhooks_file", "a file as docs/webhooks.md has it"),
}
"""Settings that mean nothing without another one, and what that may be."""

_GIVEN: tuple[type[Sender | Delivery], ...] = (Sender, Delivery)
"""What a plugin may give."""

logger = logging.getLogger("takt.outlets")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What outlets are opened in.

    Attributes:
        data_folder: of the server.
        registry: what `/metrics` shows.
        worker: number of this process.
        recorded: whether the server keeps a record.
    """

    data_folder: Path
    registry: CollectorRegistry
    worker: int
    recorded: bool = False

    @property
    def folder(self) -> Path:
        """In which each outlet has a folder of its own."""
        return self.data_folder / "outlets"


def open_outlets(
    plugins: Iterable[str], settings: OutletSettings, surroundings: Surroundings
) -> list[Outlet]:
    """Open the outlets that are built in, then those among the plugins; none has started yet.

    Args:
        plugins: names of plugins of any kind.
        settings: of the outlets that are built in.
        surroundings: what they are opened in.

    Raises:
        ConfigurationError: a setting cannot be used; or a plugin is not installed, cannot be loaded
            or refuses its options.
    """
    wanted = list(plugins)
    found = select(OUTLETS, wanted)
    _check(settings)
    if not found and not settings.has_outlets:
        return []
    factories = load(OUTLETS, wanted)
    metrics = OutletMetrics(surroundings.registry)
    senders: dict[str, Sender] = {}
    with contextlib.ExitStack() as unless_all_open:
        for name, sender in _built_in(settings, surroundings, metrics):
            unless_all_open.callback(sender.close)
            senders[name] = sender
        for plugin in found:
            if plugin.name in senders:
                raise ConfigurationError(
                    f"the plugin {plugin.name} has the name of an outlet that is built in; rename "
                    "it, or take it out of the setting plugins"
                )
            options = options_of(plugin.name)
            folder = surroundings.folder / plugin.name
            context = OutletContext(plugin.name, options, folder, surroundings.worker)
            made = make(plugin, factories[plugin.name], context, *_GIVEN)
            sender = (
                made
                if isinstance(made, Sender)
                else delivery_sender(made, context, settings.outlet_backlog, metrics)
            )
            unless_all_open.callback(sender.close)
            senders[plugin.name] = sender
        unless_all_open.pop_all()
    return [QueuedOutlet(name, sender, metrics) for name, sender in senders.items()]


def _check(settings: OutletSettings) -> None:
    """Refuse settings that mean nothing, as somebody expects something of them.

    Raises:
        ConfigurationError: one is set without the one that it belongs to.
    """
    for name, (needed, example) in _NEEDED.items():
        if getattr(settings, name) and not getattr(settings, needed):
            raise ConfigurationError(f"{name} is set, and {needed} is not; set it, {example}")


def _built_in(
    settings: OutletSettings, surroundings: Surroundings, metrics: OutletMetrics
) -> Iterator[tuple[str, Sender]]:
    """What sends to the broker and to the URLs, with their names, opened one after another.

    Raises:
        ConfigurationError: a setting cannot be used.
    """
    folder, recorded = surroundings.folder, surroundings.recorded
    if settings.mqtt_url:
        from takt.outlets.mqtt.outlet import NAME, mqtt_sender

        yield NAME, mqtt_sender(settings, folder, metrics, recorded=recorded)
    if settings.webhooks_file is not None:
        from takt.outlets.webhooks.outlet import webhook_senders

        yield from webhook_senders(settings, folder, metrics, recorded=recorded)


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
