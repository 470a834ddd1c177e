"""`takt fit`: a detector, or the teacher that detectors start from."""

from __future__ import annotations

import click

from takt.core.families.every import declared, every
from takt_export.commands.fit.teacher import teacher
from takt_export.commands.options import SHOW_DEFAULTS


@click.group(context_settings=SHOW_DEFAULTS)
def fit() -> None:
    """Train on pictures of good parts; an interrupted fit goes on when called again."""


for _family in every():
    if (_command := declared(_family.name, "command", click.Command)) is not None:
        fit.add_command(_command)
fit.add_command(teacher)
