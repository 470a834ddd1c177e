"""The option or argument of a command that takes a folder and no URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from takt.mirroring.location import is_url, shown


class HostFolder(click.Path):
    """A folder of this host."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The folder; a URL is refused with what to give instead."""
        if is_url(str(value)):
            self.fail(
                f"{shown(str(value))} is a URL; give a folder, such as that in which a server "
                "keeps what is there, which `takt serve` names at its start",
                param,
                ctx,
            )
        return cast(Path, super().convert(value, param, ctx))
