"""The file with the URLs that are posted to: secrets are no settings of a command line."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from takt.core.domain import VerdictName
from takt.core.errors import ConfigurationError
from takt.core.problem import validation_message
from takt.outlets.webhooks.addresses import is_public
from takt.outlets.webhooks.posting import Target
from takt.outlets.webhooks.signing import parse_secret

_PORTS: dict[str, int] = {"https": 443, "http": 80}

logger = logging.getLogger("takt.outlets")


class Webhook(BaseModel):
    """One URL.

    Attributes:
        name: tells it from the others, in metrics and logs.
        url: where to post.
        secrets: sign what is posted; several while one takes the place of another.
        verdicts: which are posted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    url: str
    secrets: Annotated[tuple[str, ...], Field(min_length=1, max_length=8)]
    verdicts: Annotated[tuple[VerdictName, ...], Field(min_length=1)] = get_args(VerdictName)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys of the secrets."""
        return tuple(
            parse_secret(one, f"secret {number} of the webhook {self.name}")
            for number, one in enumerate(self.secrets, 1)
        )

    def target(self, private_hosts: Collection[str]) -> Target:
        """Where to post; an error does not show the path, which may hold a secret.

        Raises:
            ConfigurationError: the URL is none that may be.
        """
        what = f"url of the webhook {self.name}"
        try:
            parts = urlsplit(self.url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            raise ConfigurationError(f"{what} is no URL; write https://host/path") from None
        if "@" in parts.netloc:
            raise ConfigurationError(
                f"{what} has a user or a password; take them out, as the signature says who posts"
            )
        is_plain = all(32 < ord(one) < 127 for one in self.url)
        if parts.scheme not in _PORTS or not host or parts.fragment or not is_plain:
            raise ConfigurationError(f"{what} is none; write https://host/path in ASCII")
        if parts.scheme == "http" and host not in private_hosts:
            raise ConfigurationError(
                f"{what} is http://{host}; it must be https://, unless {host} is named in the "
                "setting webhooks_private_hosts"
            )
        is_address = host.replace(".", "").isdecimal() or ":" in host
        if is_address and host not in private_hosts and not is_public(host):
            raise ConfigurationError(
                f"{what} has the private address {host}; if it is meant, name it in the setting "
                "webhooks_private_hosts"
            )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(parts.scheme == "https", host, port or _PORTS[parts.scheme], path)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    webhook: tuple[Webhook, ...] = Field(min_length=1)


def read_webhooks(path: Path) -> tuple[Webhook, ...]:
    """What the file has.

    Raises:
        ConfigurationError: it cannot be read, or something in it cannot be used; no secret is
            shown.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"webhooks_file {path} cannot be read: {error}") from None
    try:
        found = _File.model_validate(tomllib.loads(text)).webhook
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"webhooks_file {path} is not TOML: {error}") from None
    except ValidationError as error:
        raise ConfigurationError(
            f"webhooks_file {path}: {validation_message(error, 'webhook')}; each [[webhook]] has "
            "name, url, secrets and, where it is not sent all, verdicts"
        ) from None
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(
                f"webhooks_file {path} has two webhooks named {name}; rename one"
            )
    for one in found:
        _ = one.keys
    return found


class Secrets:
    """The keys of one webhook, as its file has them now: they are exchanged while it serves.

    Args:
        path: the file.
        webhook: as it was read at the start.
    """

    def __init__(self, path: Path, webhook: Webhook) -> None:
        self._path = path
        self._name = webhook.name
        self._keys = webhook.keys
        self._seen = self._state()

    def current(self) -> tuple[bytes, ...]:
        """The keys; the last good ones where the file is damaged or gone."""
        if (state := self._state()) != self._seen:
            self._seen = state
            try:
                found = {one.name: one for one in read_webhooks(self._path)}
                self._keys = found[self._name].keys if self._name in found else self._keys
            except ConfigurationError as error:
                logger.error("the last good secrets of %s stay in force: %s", self._name, error)
        return self._keys

    def _state(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        # By the time of its state, as who may read it is no change of its content.
        return found.st_ino, found.st_size, found.st_ctime_ns
