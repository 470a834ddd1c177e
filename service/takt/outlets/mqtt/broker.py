"""Where the broker is, and who the server is to it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from takt.core.errors import ConfigurationError

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_LONGEST_PASSWORD = 4096


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker of MQTT 5.

    Attributes:
        host: its name or address.
        port: its port.
        tls: whether it is spoken to by TLS.
        ca: PEM file with the authority of its certificate; None for those that the system trusts.
        user: name of the server there; empty for none.
        password_file: file with the user's password; None for none.
    """

    host: str
    port: int
    tls: bool
    ca: Path | None
    user: str
    password_file: Path | None

    @property
    def name(self) -> str:
        """Where it is, for people."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    def password(self) -> str | None:
        """The password as the file has it now, so that it can be changed while it serves.

        Raises:
            ConfigurationError: the file cannot be read, or has none.
        """
        if self.password_file is None:
            return None
        try:
            text = self.password_file.read_text("utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"mqtt_password_file {self.password_file} cannot be read: {error}"
            ) from None
        if not text or len(text) > _LONGEST_PASSWORD or "\n" in text:
            raise ConfigurationError(
                f"mqtt_password_file {self.password_file} has no password; write it there, in one "
                "line"
            )
        return text

    def tls_context(self) -> ssl.SSLContext | None:
        """What checks the broker's certificate; None without TLS.

        Raises:
            ConfigurationError: the file of authorities cannot be read.
        """
        if not self.tls:
            return None
        try:
            return ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"mqtt_ca {self.ca} cannot be used: {error}; name a PEM file with the certificate "
                "of the authority that signed the broker's"
            ) from None


def parse_broker(url: str, user: str, password_file: Path | None, ca: Path | None) -> Broker:
    """The broker that the settings name.

    >>> parse_broker("mqtts://broker.plant.example", "takt", None, None).name
    'mqtts://broker.plant.example:8883'

    Raises:
        ConfigurationError: a setting cannot be used; it says what to do.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if "@" in url:
        # Without what may be its password.
        raise ConfigurationError(
            "mqtt_url has a user or a password; take them out, and set mqtt_user and "
            "mqtt_password_file"
        )
    rest = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in PORTS or not host or rest:
        raise ConfigurationError(
            f"mqtt_url is {url!r}; write mqtt://host:1883, or mqtts://host:8883 for TLS"
        )
    if ca is not None and parts.scheme != "mqtts":
        raise ConfigurationError("mqtt_ca is set, but mqtt_url is not mqtts://; make it so")
    if password_file is not None and not user:
        raise ConfigurationError("mqtt_password_file is set, and mqtt_user is not; set it as well")
    broker = Broker(
        host=host,
        port=port or PORTS[parts.scheme],
        tls=parts.scheme == "mqtts",
        ca=ca,
        user=user,
        password_file=password_file,
    )
    broker.password()
    broker.tls_context()
    return broker
