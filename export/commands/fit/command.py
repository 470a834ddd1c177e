"""`takt fit`: a detector, or the teacher that detectors start from."""

from __future__ import annotations

import click

from export.commands.fit.efficientad import efficientad
from export.commands.fit.inpformer import inpformer
from export.commands.fit.patchcore import patchcore
from export.commands.fit.teacher import teacher
from export.commands.options import SHOW_DEFAULTS


@click.group(context_settings=SHOW_DEFAULTS)
def fit() -> None:
    """Train on pictures of good parts; an interrupted fit goes on when called again."""


fit.add_command(efficientad)
fit.add_command(inpformer)
fit.add_command(patchcore)
fit.add_command(teacher)
