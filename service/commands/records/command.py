"""`takt records`: a table of inspections, and the group of the other commands."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.groups import refuse_lost_options
from service.commands.records.check import check
from service.commands.records.clock import clock
from service.commands.records.export import export
from service.commands.records.judge import judge
from service.commands.records.match import match
from service.commands.records.options import filter_options
from service.commands.records.review import review
from service.commands.records.show import show
from service.commands.records.table import Table
from service.core.errors import TaktError
from service.headings import HeadedGroup
from service.recording.record import existing_record, record_options
from service.recording.search.filters import Filters

if TYPE_CHECKING:
    from service.recording.record import Record
    from service.recording.search.stored import StoredInspection

_LOOK_AGAIN_S = 0.5


@click.group(cls=HeadedGroup, invoke_without_command=True)
@filter_options
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Most inspections, the newest ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object on each line.")
@click.option(
    "--open", "opens", is_flag=True, help="Open the newest picture of these, or say its path."
)
@click.option("--follow", is_flag=True, help="Go on with new ones as they come, until Ctrl-C.")
@record_options
@click.pass_context
def records(
    ctx: click.Context,
    filters: Filters,
    limit: int,
    as_json: bool,
    opens: bool,
    follow: bool,
    data: Path,
    record: str,
) -> None:
    """List recorded inspections, the newest last.

    All filters that are given hold together. Without a subcommand, a table of the newest ones.
    """
    if ctx.invoked_subcommand is not None:
        refuse_lost_options(ctx)
        return
    if opens and follow:
        raise click.UsageError("--open and --follow do not go together")
    try:
        with_record = existing_record(data, record)
        _list(with_record, filters, limit, Printer(as_json=as_json), follow=follow, opens=opens)
    except TaktError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        return


class Printer:
    """Prints inspections as a table, or as JSON on a line each.

    Args:
        as_json: whether it is JSON.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._table = None if as_json else Table()
        self._begun = False

    def put(self, inspections: Sequence[StoredInspection]) -> None:
        """Print more of them, in this order."""
        if self._table is None:
            import orjson

            from service.recording.search.json_form import json_of

            for one in inspections:
                click.echo(orjson.dumps(json_of(one)))
            return
        lines = self._table.lines(inspections)
        if not self._begun:
            click.echo(self._table.title())
        self._begun = True
        for line in lines:
            click.echo(line)


def _list(
    record: Record, filters: Filters, limit: int, printer: Printer, *, follow: bool, opens: bool
) -> None:
    from service.commands.records.opening import open_picture
    from service.recording.search.following import Follower
    from service.recording.search.pages import page_of

    with record.database.reading() as connection:
        follower = Follower(connection, filters)
        page = page_of(connection, filters, limit=limit)
        follower.skip(page.inspections)
    if page.inspections or follow:
        printer.put(page.inspections[::-1])
    else:
        click.echo("the record has no such inspections", err=True)
    if opens:
        kept = next((one for one in page.inspections if one.picture), None)
        if kept is None:
            raise click.ClickException("none of these has a kept picture; try --kept any")
        open_picture(record, kept)
    while follow:
        time.sleep(_LOOK_AGAIN_S)
        with record.database.reading() as connection:
            new = follower.new(connection)
        printer.put(new)


for _subcommand in (show, match, export, check, judge, review, clock):
    records.add_command(_subcommand)
