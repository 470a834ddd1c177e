"""What may be set of outlets, and of plugins, of which outlets are some."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from takt.declaration import Names, under

_outlets = under("Outlets and plugins")


class OutletSettings(BaseModel):
    """Where verdicts go beside the caller."""

    mqtt_url: str = _outlets(
        "",
        "Broker of MQTT 5 to which every verdict is published, such as mqtt://broker:1883, or "
        "mqtts://broker:8883 for TLS; nothing is published without one. It needs the extra `mqtt`.",
    )
    mqtt_topic: str = _outlets(
        "",
        "What the topics of this server begin with, such as plant/line3; `takt/` and the name of "
        "the host if empty. Verdicts go to <that>/<station or ->/<model>/verdict.",
    )
    mqtt_user: str = _outlets("", "Name of this server at the broker.")
    mqtt_password_file: Path | None = _outlets(
        None, "File with that user's password in one line, read at each connection."
    )
    mqtt_ca: Path | None = _outlets(
        None,
        "PEM file with the authority of the broker's certificate; those that the system trusts if "
        "it is not set.",
    )
    webhooks_file: Path | None = _outlets(
        None,
        "TOML file with the URLs to which verdicts are posted, their secrets, and which verdicts "
        "each is sent (docs/webhooks.md).",
    )
    webhooks_private_hosts: Names = _outlets(
        (),
        "Hosts of those URLs that may have private addresses, such as mes.plant.example,10.0.0.7; "
        "others are sent nothing while theirs are private, loopback or link-local.",
    )
    outlet_backlog: int = _outlets(
        100_000,
        "Most messages that wait on the disk in each worker for one other end that is away: the "
        "broker, a URL, or that of a plugin which delivers. Beyond them the oldest give way. "
        "100,000 take about 100 MB.",
        ge=100,
    )

    @property
    def has_outlets(self) -> bool:
        """Whether verdicts go to a broker or a URL."""
        return bool(self.mqtt_url) or self.webhooks_file is not None


class PluginSettings(BaseModel):
    """Plugins."""

    plugins: Names = _outlets(
        (),
        "Installed plugins to load, such as rejects,archive; `takt plugins` lists those there are. "
        "They run with the rights of the server. No other is imported.",
    )
