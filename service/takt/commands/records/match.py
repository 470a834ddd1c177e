"""`takt records match`: the inspections of pictures that came back, such as a customer's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from takt.commands.record import OpenRecord, reads_record
from takt.commands.records.options import filter_options
from takt.headings import HeadedCommand
from takt.recording.search.filters import Filters

if TYPE_CHECKING:
    from takt.recording.record import Record
    from takt.recording.search.stored import StoredInspection

_MOST: Final = 100
"""Newest inspections of a picture that are listed."""

_NOT_THERE: Final = """\
{picture}: the record has no inspection of this file{narrowed}
  A file that was saved anew, cut or compressed is another one: look by what is known of the part,
  with takt records --part ID, or by place and time, with takt records --station NAME --since TIME
  --until TIME. If it was never inspected, judge it as a new one: send it to a server, with
  POST /v1/models/MODEL/inspect, and judge it by the request_id of the answer (docs/review.md)."""


@click.command(cls=HeadedCommand)
@click.argument(
    "pictures",
    metavar="PICTURE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object on each line.")
@filter_options
@reads_record
def match(
    pictures: tuple[Path, ...], as_json: bool, filters: Filters, open_record: OpenRecord
) -> None:
    """Find the inspections of the files PICTURE..., whether or not the record has kept them.

    Of each file the newest inspection last. A file matches byte for byte; a PNG that the record
    gave out for raw pixels matches these. Ends with 1 where a file has no inspection.
    """
    if filters.sha256 is not None:
        raise click.UsageError("--sha256 is for takt records; here the files say it")
    try:
        opened = open_record()
        missing = 0
        for picture in pictures:
            found = _inspections_of(opened, picture, filters)
            _put(picture, found, as_json=as_json)
            if not found:
                narrowed = " that these filters want" if filters.given else ""
                click.echo(_NOT_THERE.format(picture=picture, narrowed=narrowed), err=True)
            missing += not found
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be read: {error.strerror}") from None
    if missing:
        raise click.exceptions.Exit(1)


def _inspections_of(record: Record, picture: Path, filters: Filters) -> list[StoredInspection]:
    """The newest inspections of a file, the newest last."""
    from takt.recording.pictures import digests_of
    from takt.recording.search.pages import page_of

    found: dict[int, StoredInspection] = {}
    for digest in digests_of(picture.read_bytes()):
        with record.database.reading() as connection:
            page = page_of(connection, replace(filters, sha256=digest), limit=_MOST)
        found |= {one.id: one for one in page.inspections}
    return sorted(found.values(), key=lambda one: (one.at, one.id))


def _put(picture: Path, found: list[StoredInspection], *, as_json: bool) -> None:
    import orjson

    from takt.commands.records.table import Table
    from takt.recording.search.json_form import json_of

    if as_json:
        for one in found:
            click.echo(orjson.dumps({"file": str(picture), **json_of(one)}))
    elif found:
        table = Table()
        lines = table.lines(found)
        click.echo("\n".join((f"{picture}:", table.title(), *lines)))
