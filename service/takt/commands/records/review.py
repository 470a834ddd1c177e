"""`takt records review`: what judgements tell of a model, and a threshold by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from takt.commands.record import OpenRecord, reads_record
from takt.commands.records.options import filter_options
from takt.core.errors import CalibrationError
from takt.headings import HeadedCommand
from takt.recording.search.filters import Filters

if TYPE_CHECKING:
    from takt.recording.review.proposal import Rule


@click.command(cls=HeadedCommand)
@filter_options
@click.option(
    "--per",
    type=click.Choice(("hour", "day", "week")),
    default="day",
    show_default=True,
    help="Length of the stretches of time, in UTC.",
)
@click.option(
    "--rule",
    type=click.Choice(("conformal", "best-f1")),
    default="conformal",
    show_default=True,
    help="How a threshold is found, for the one version that --model and --version name.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    show_default="0.01",
    help="Share of good parts that conformal lets be rejected.",
)
@reads_record
def review(
    filters: Filters,
    per: Literal["hour", "day", "week"],
    rule: Rule,
    alpha: float | None,
    open_record: OpenRecord,
) -> None:
    """Show the mistakes of verdicts by what was judged, and propose a threshold."""
    from takt.commands.records.review_text import confusion_lines, proposal_lines
    from takt.recording.review.confusion import confusion
    from takt.recording.review.proposal import propose

    database = open_record().database
    click.echo("\n".join(confusion_lines(confusion(database, filters, per))))
    if filters.version is None:
        click.echo("\nfor a threshold, name one version: --model NAME --version VERSION")
        return
    try:
        lines = proposal_lines(propose(database, filters, rule, alpha))
    except CalibrationError as error:
        lines = [f"no threshold is proposed: {error}"]
    click.echo("\n".join(("", *lines)))
