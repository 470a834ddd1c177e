"""`takt records show`: everything that the record has of one inspection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from takt.commands.columns import plain
from takt.commands.record import OpenRecord, reads_record
from takt.digits import short

if TYPE_CHECKING:
    from takt.recording.review.history import Said
    from takt.recording.search.stored import StoredInspection


@click.command()
@click.argument("number", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option("--open", "opens", is_flag=True, help="Open its picture, or say the picture's path.")
@reads_record
def show(number: int, as_json: bool, opens: bool, open_record: OpenRecord) -> None:
    """Show everything that the record has of inspection ID."""
    import orjson

    from takt.commands.records.opening import open_picture
    from takt.recording.review.history import history
    from takt.recording.search.json_form import json_of
    from takt.recording.search.pages import inspection_of

    found = open_record()
    with found.database.reading() as connection:
        inspection = inspection_of(connection, number)
    if as_json:
        click.echo(orjson.dumps(json_of(inspection)))
    else:
        said = history(found.database, number).said
        click.echo("\n".join(_lines(inspection, said)))
    if opens:
        open_picture(found, inspection)


def _lines(inspection: StoredInspection, said: Iterable[Said]) -> list[str]:
    from takt.recording.search.json_form import json_of
    from takt.recording.search.stored import COLUMNS

    body = json_of(inspection)
    width = max(len(column.name) for column in COLUMNS)
    return [
        *(
            f"{column.name:{width}}  {_text(body[column.name], column.unit)}".rstrip()
            for column in COLUMNS
        ),
        *(f"{'said':{width}}  {_said(one)}" for one in said),
    ]


def _said(said: Said) -> str:
    from takt.recording.search.json_form import time_text
    from takt.recording.search.times import time_of

    box = said.box
    parts = (
        f"{time_text(time_of(said.at_us))}  {said.reviewer}  {said.judgement}",
        said.kind,
        None if box is None else f"box {box.x},{box.y},{box.width},{box.height}",
        said.note,
    )
    return _text("  ".join(part for part in parts if part), "")


def _text(value: object, unit: str) -> str:
    import orjson

    if value in (None, "", [], (), {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | dict | tuple):
        return orjson.dumps(value).decode()
    if isinstance(value, float) and unit:
        return f"{short(value)} {unit}"
    text = plain(str(value))
    return f"{text} {unit}" if isinstance(value, int) and unit else text
