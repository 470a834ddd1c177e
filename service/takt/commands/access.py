"""Options of the commands that ask a server: the key that they show, and whom they trust."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from takt.headings import under

if TYPE_CHECKING:
    # A command that needs no server runs without the client.
    from takt_client import TaktError
    from takt_client.connection import ServerAccess


def access_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--key-file`, `--key`, `--cafile` and `--certfile`; the command gets them as `access`."""

    @under(
        "Key and certificates",
        click.option(
            "--key-file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="File with the server's API key.  [default: the key in TAKT_KEY, if any]",
        ),
        click.option(
            "--key",
            help="The key itself. Others see it in the list of processes: prefer --key-file.",
        ),
        click.option(
            "--cafile",
            type=click.Path(path_type=Path, dir_okay=False),
            help="PEM file of the authority that signed the server's certificate, for https.",
        ),
        click.option(
            "--certfile",
            type=click.Path(path_type=Path, dir_okay=False),
            help="PEM file with a certificate and its private key, for a server that asks for one.",
        ),
    )
    @functools.wraps(command)
    def with_access(
        *args: Any,
        key_file: Path | None,
        key: str | None,
        cafile: Path | None,
        certfile: Path | None,
        **kwargs: Any,
    ) -> Any:
        if key_file is not None and key is not None:
            raise click.UsageError("give --key-file or --key, and not both")
        if key_file is not None:
            key = _read(key_file)
        access: ServerAccess = {"key": key, "cafile": cafile, "certfile": certfile}
        return command(*args, access=access, **kwargs)

    return with_access


def refusal_in_words(error: TaktError) -> str:
    """What a server refused, for people at a terminal: with the options that mend it."""
    if error.code == "unauthenticated":
        return f"{error}; give it with --key-file FILE or in TAKT_KEY"
    if error.code == "insufficient_scope":
        return f"{error}; another key goes with --key-file FILE or in TAKT_KEY"
    return str(error)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise click.BadParameter(
            f"{path} cannot be read: {reason}", param_hint="--key-file"
        ) from None
