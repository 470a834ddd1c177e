"""The private key that an option names, for commands that sign."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # a command is listed without what it works with
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def read_key(
    _ctx: click.Context, param: click.Parameter, value: Path | None
) -> Ed25519PrivateKey | None:
    """Read the key that an option names, before long work begins; asks for its passphrase."""
    if value is None:
        return None
    from takt.core.bundles.signing.keys import is_encrypted, read_private_key
    from takt.core.errors import ConfigurationError

    try:
        passphrase = None
        if is_encrypted(value):
            passphrase = click.prompt(f"Passphrase of {value}", hide_input=True, err=True).encode()
        return read_private_key(value, passphrase)
    except ConfigurationError as error:
        raise click.BadParameter(str(error), param=param) from None
