"""`takt fit`: a detector, or the teacher that detectors start from."""

from __future__ import annotations

import click

from takt_export.commands.fit.teacher import teacher
from takt_export.commands.options import SHOW_DEFAULTS
from takt_families.every import every, module_of


@click.group(context_settings=SHOW_DEFAULTS)
def fit() -> None:
    """Train on pictures of good parts; an interrupted fit goes on when called again."""


for _family in every():
    if (_module := module_of(_family.name, "command")) is not None:
        fit.add_command(_module.COMMAND)
fit.add_command(teacher)
