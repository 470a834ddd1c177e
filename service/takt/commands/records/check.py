"""`takt records check`: whether rows and pictures agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from takt.commands.record import OpenRecord, reads_record

if TYPE_CHECKING:
    from takt.recording.check import Checked

_MOST_NAMED = 20


@click.command()
@click.option("--content", is_flag=True, help="Read each picture and compare it with its hash.")
@click.option(
    "--repair",
    "repairs",
    is_flag=True,
    help="Remove pictures that no inspection has, and mark inspections whose picture is gone.",
)
@reads_record
def check(content: bool, repairs: bool, open_record: OpenRecord) -> None:
    """Compare the inspections with the pictures on the disk; a server may go on meanwhile.

    It ends with 1 where they do not agree and nothing was repaired, or a picture was changed.
    """
    from takt.recording.check import check_record, repair

    found = open_record()
    checked = check_record(found, content=content)
    if repairs:
        repair(found, checked)
    click.echo(f"{checked.rows} inspections with a picture, {checked.files} pictures")
    for line in _lines(checked):
        click.echo(line)
    if checked.clean:
        click.echo("they agree")
    elif repairs:
        click.echo("repaired" if not checked.changed else "repaired, but for changed pictures")
    else:
        click.echo("`takt records check --repair` puts that right")
    if checked.changed or not (checked.clean or repairs):
        raise SystemExit(1)


def _lines(checked: Checked) -> list[str]:
    lines = []
    for what, found in (
        ("inspections whose picture is not there", checked.missing),
        ("inspections whose picture was changed", checked.changed),
        ("pictures of no inspection", checked.orphans),
    ):
        if found:
            more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
            named = ", ".join(str(one) for one in found[:_MOST_NAMED])
            lines.append(f"{len(found)} {what}: {named}{more}")
    return lines
