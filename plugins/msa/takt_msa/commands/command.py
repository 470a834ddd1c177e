"""`takt msa`: a measurement system analysis of an inspection that tells good from defective."""

from __future__ import annotations

import click

from takt_export.commands.options import SHOW_DEFAULTS
from takt_msa.commands.folder import folder
from takt_msa.commands.records import records


@click.group(context_settings=SHOW_DEFAULTS)
def msa() -> None:
    """Analyse how well an inspection repeats and finds: AIAG's attribute study.

    Reference parts, good and defective ones, are placed several times each. The figures are
    effectiveness, miss rate (slip), false-alarm rate (pseudo rejects), agreement and kappa, each
    with a 95 % interval and AIAG's limits, and how far the score spreads between placements.
    docs/msa.md tells how to run a study.
    """


msa.add_command(folder)
msa.add_command(records)
