"""`takt keys`: make, list and revoke the keys of callers."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import click

from takt.core.bundles.files import write_atomically
from takt.core.errors import ConfigurationError
from takt.security.caller import Scope, is_reserved
from takt.security.keys.key import NAME, Key, new_key
from takt.security.keys.key_file import MOST_KEYS, format_keys, parse_keys

_PRIVATE = 0o600

_FILE = click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    envvar="TAKT_KEYS_FILE",
    show_envvar=True,
    help="The file of keys, which the server has as its setting keys_file.",
)


@click.group()
def keys() -> None:
    """Make, list and revoke the keys of callers.

    The file has digests of the keys. A running server takes a change within a second.
    """


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(get_args(Scope)),
    help="What the key is for; can be given again. inspect: send pictures; operate: change "
    "thresholds and versions; read: models, metrics and the record; review: judge recorded "
    "inspections.",
)
@click.option("--days", type=click.IntRange(1, 36_500), help="The key expires after these.")
@_FILE
def add(name: str, scopes: tuple[Scope, ...], days: int | None, path: Path) -> None:
    """Make a key and print it, this once; NAME says who or what it is for."""
    if NAME.fullmatch(name) is None:
        raise click.ClickException(
            f"{name!r} is no name of a key; write up to 64 letters, digits, - and _"
        )
    if is_reserved(name):
        raise click.ClickException(
            f"{name} stands for the server itself in the audit log; take another name for the key"
        )
    expires = None
    if days is not None:
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    with _locked(path):
        found = _read(path) if path.exists() else ()
        if any(key.name == name for key in found):
            raise click.ClickException(
                f"there is a key {name} already; revoke it, or take another name for the new one"
            )
        if len(found) == MOST_KEYS:
            raise click.ClickException(f"{path} has {MOST_KEYS} keys, which is the most")
        key, secret = new_key(name, frozenset(scopes), expires)
        _write(path, (*found, key))
    click.echo(secret)
    click.echo(f"{path} has its digest; the key itself is shown only now", err=True)


@keys.command("list")
@_FILE
def list_(path: Path) -> None:
    """List names, scopes and ends of the keys."""
    now = datetime.now(UTC)
    found = _read(path)
    width = max([len(key.name) for key in found], default=0)
    for key in found:
        scopes = ",".join(scope for scope in get_args(Scope) if scope in key.scopes)
        made = f"made {key.created:%Y-%m-%d}" if key.created else ""
        end = ""
        if key.expires is not None:
            word = "expires" if key.expires > now else "EXPIRED"
            end = f"{word} {key.expires:%Y-%m-%d %H:%M} UTC"
        click.echo(f"{key.name:{width}}  {scopes:20}  {made:15}  {end}".rstrip())
    if not found:
        click.echo("there are no keys", err=True)


@keys.command()
@click.argument("name")
@_FILE
def revoke(name: str, path: Path) -> None:
    """Take a key away: a running server refuses it within a second and ends its streams."""
    with _locked(path):
        found = _read(path)
        left = tuple(key for key in found if key.name != name)
        if len(left) == len(found):
            raise click.ClickException(f"there is no key {name} in {path}; `takt keys list`")
        _write(path, left)
    click.echo(f"{name} is revoked", err=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time; the lock is of the folder, as the file is exchanged."""
    try:
        descriptor = os.open(path.resolve().parent, os.O_RDONLY)
    except OSError as error:
        raise click.ClickException(f"the folder of {path}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> tuple[Key, ...]:
    try:
        return parse_keys(path.read_bytes())
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}") from None
    except ConfigurationError as error:
        raise click.ClickException(f"{path}: {error}") from None


def _write(path: Path, found: tuple[Key, ...]) -> None:
    try:
        # Through links, so that the file behind them is exchanged.
        write_atomically(path.resolve(), format_keys(found), _PRIVATE)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None
