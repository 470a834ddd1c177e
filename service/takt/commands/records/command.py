"""`takt records`: a table of inspections, and the group of the other commands."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from takt.commands.groups import refuse_lost_options
from takt.commands.record import OpenRecord, reads_record
from takt.commands.records.alarms import alarms
from takt.commands.records.check import check
from takt.commands.records.clock import clock
from takt.commands.records.export import export
from takt.commands.records.judge import judge
from takt.commands.records.match import match
from takt.commands.records.options import filter_options
from takt.commands.records.review import review
from takt.commands.records.show import show
from takt.commands.records.table import Table
from takt.headings import HeadedGroup
from takt.recording.search.filters import Filters

if TYPE_CHECKING:
    from takt.recording.record import Record
    from takt.recording.search.stored import StoredInspection

_LOOK_AGAIN_S = 0.5
_NEWEST = 20
_MOST = 1000


@click.group(cls=HeadedGroup, invoke_without_command=True)
@filter_options
@click.option(
    "--limit",
    type=click.IntRange(0, _MOST),
    show_default="20, or all after --after",
    help="Most inspections: the newest ones, or the first ones after --after.",
)
@click.option(
    "--after",
    metavar="ID",
    type=click.IntRange(min=0),
    help="Those that were recorded after this one, the lowest number first; 0 for all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object on each line.")
@click.option(
    "--open", "opens", is_flag=True, help="Open the newest picture of these, or say its path."
)
@click.option("--follow", is_flag=True, help="Go on with new ones as they come, until Ctrl-C.")
@reads_record
@click.pass_context
def records(
    ctx: click.Context,
    filters: Filters,
    limit: int | None,
    after: int | None,
    as_json: bool,
    opens: bool,
    follow: bool,
    open_record: OpenRecord,
) -> None:
    """List recorded inspections, the newest last.

    All filters that are given hold together. Without a subcommand, a table of the newest ones.

    --follow --json --after ID goes on where another run ended: ID is the last number that it
    printed. Each inspection comes once, in the order of the numbers.
    """
    if ctx.invoked_subcommand is not None:
        refuse_lost_options(ctx)
        return
    if opens and follow:
        raise click.UsageError("--open and --follow do not go together")
    if limit == 0 and not follow:
        raise click.UsageError("--limit 0 goes with --follow, which goes on with new ones")
    if after is not None and (opens or (follow and limit is not None)):
        other = "--open" if opens else "--follow and --limit"
        raise click.UsageError(f"--after and {other} do not go together")
    try:
        opened, printer = open_record(), Printer(as_json=as_json)
        if after is None:
            limit = _NEWEST if limit is None else limit
            after = _list(opened, filters, limit, printer, follow=follow, opens=opens)
        else:
            after = _go_on(opened, filters, after, printer, limit)
        while follow:
            time.sleep(_LOOK_AGAIN_S)
            after = _go_on(opened, filters, after, printer)
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

            from takt.recording.search.json_form import json_of

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
) -> int:
    """Print the newest ones; gives the number after which all that is new will come."""
    from takt.commands.records.opening import open_picture
    from takt.recording.search.feed import settled_end
    from takt.recording.search.pages import page_of

    found: tuple[StoredInspection, ...] = ()
    with record.database.reading() as connection:
        end = settled_end(connection) if follow else 0
        if limit:
            found = page_of(connection, filters, limit=limit).inspections
    if follow:
        # What came in between comes again as the first of the new ones.
        found = tuple(one for one in found if one.id <= end)
    if found or follow:
        printer.put(found[::-1])
    else:
        click.echo("the record has no such inspections", err=True)
    if opens:
        kept = next((one for one in found if one.picture), None)
        if kept is None:
            raise click.ClickException("none of these has a kept picture; try --kept any")
        open_picture(record, kept)
    return end


def _go_on(
    record: Record, filters: Filters, after: int, printer: Printer, limit: int | None = None
) -> int:
    """Print those that came after a number, all or some; gives the number to go on after."""
    from takt.recording.search.feed import feed_of

    more = limit != 0
    while more:
        most = _MOST if limit is None else limit
        with record.database.reading() as connection:
            feed = feed_of(connection, filters, after=after, limit=most)
        printer.put(feed.inspections)
        after, more = feed.after, feed.more
        if limit is not None:
            limit -= len(feed.inspections)
            more = more and limit > 0
    return after


for _subcommand in (show, match, export, check, judge, review, alarms, clock):
    records.add_command(_subcommand)
