"""`takt records clock`: the clock by which the record grows old, which one may say is right."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import click

from takt.commands.errors import plain_file_errors
from takt.commands.record import OpenRecord, reads_record
from takt.commands.who import who_asks


@click.command()
@click.option("--right", is_flag=True, help="Say that the clock is right now.")
@click.option("--by", help="Who says so.", show_default="the name of this login")
@reads_record
@plain_file_errors
def clock(right: bool, by: str | None, open_record: OpenRecord) -> None:
    """Show the clock by which the record grows old, or say that it is right.

    A server that doubts its host's clock removes nothing for its age until the clock is right or
    somebody has said so; it takes that within a minute. What is too old by the clock then goes.
    """
    from takt.recording.clock import believed_at, said_to_be_right

    now_s = time.time()
    found = open_record()
    click.echo(f"the host's clock says        {_date(now_s)}")
    if not right:
        known_s = believed_at(found.folder)
        said = "no moment is known" if known_s is None else _date(known_s)
        click.echo(f"it was believed last at      {said}")
        return
    said_to_be_right(found, now_s, who_asks(by))
    click.echo("a server takes that as right within a minute")


def _date(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
