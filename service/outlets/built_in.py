"""The outlets that every server has, each on where its settings are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from service.core.errors import ConfigurationError
from service.outlets.metrics import OutletMetrics
from service.outlets.plugin import Sender
from service.outlets.settings import OutletSettings

_NEEDED = {
    "mqtt_topic": ("mqtt_url", "such as mqtt://broker:1883"),
    "mqtt_user": ("mqtt_url", "such as mqtt://broker:1883"),
    "mqtt_password_file": ("mqtt_url", "such as mqtt://broker:1883"),
    "mqtt_ca": ("mqtt_url", "such as mqtts://broker:8883"),
    "webhooks_private_hosts": ("webhooks_file", "a file as docs/webhooks.md has it"),
}
"""Settings that mean nothing without another one, and what that may be."""


def check_outlets(settings: OutletSettings) -> None:
    """Refuse settings that mean nothing, as somebody expects something of them.

    Raises:
        ConfigurationError: one is set without the one that it belongs to.
    """
    for name, (needed, example) in _NEEDED.items():
        if getattr(settings, name) and not getattr(settings, needed):
            raise ConfigurationError(f"{name} is set, and {needed} is not; set it, {example}")


def open_built_in(
    settings: OutletSettings, folder: Path, metrics: OutletMetrics, *, recorded: bool
) -> Iterator[tuple[str, Sender]]:
    """What sends to the broker and to the URLs, with their names, opened one after another.

    Args:
        settings: of the outlets.
        folder: in which each has a folder of its own.
        metrics: count what becomes of messages.
        recorded: whether the server keeps a record.

    Raises:
        ConfigurationError: a setting cannot be used.
    """
    if settings.mqtt_url:
        from service.outlets.mqtt.outlet import NAME, mqtt_sender

        yield NAME, mqtt_sender(settings, folder, metrics, recorded=recorded)
    if settings.webhooks_file is not None:
        from service.outlets.webhooks.outlet import webhook_senders

        yield from webhook_senders(settings, folder, metrics, recorded=recorded)
