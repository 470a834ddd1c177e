"""`takt plugins`: which plugins are installed, and which of them a server loads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from takt.commands.columns import table_lines
from takt.commands.errors import plain_errors
from takt.configuration import load_settings
from takt.core.plugins import CONTROLLERS, KINDS, Plugin, installed

_HEADINGS = ("plugin", "kind", "distribution", "version", "state")


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), help="TOML file with the server's settings."
)
@plain_errors
def plugins(config: Path | None) -> None:
    """List the plugins that are installed, without importing any.

    Those are on that the setting `plugins` names, in the environment or in the TOML file, and
    every family of detectors; the file of a station turns a controller on. The exit status is 1 if
    the setting names one that is not installed, with which no server would start.
    """
    wanted = load_settings(config=config).plugins
    found = installed()
    missing = sorted({*wanted} - {one.name for one in found})
    rows = list(_rows(found, wanted, missing))
    if not rows:
        click.echo("no plugin is installed")
        return
    for line in table_lines([_HEADINGS, *rows]):
        click.echo(line)
    if missing:
        raise SystemExit(1)


def _rows(
    found: list[Plugin], wanted: tuple[str, ...], missing: list[str]
) -> Iterator[tuple[str, ...]]:
    for one in found:
        state = "on" if one.is_always_on or one.name in wanted else "off"
        if one.kind == KINDS[CONTROLLERS]:
            state = "by a station's file"
        yield one.name, one.kind, one.distribution, one.version, state
    for name in missing:
        yield name, "", "", "", "not installed"
