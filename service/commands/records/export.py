"""`takt records export`: inspections as a file of CSV, JSON lines or Parquet."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, get_args

import click

from service.commands.records.options import filter_options
from service.errors import TaktError
from service.recording.record import existing_record, record_options
from service.recording.search.filters import ExportFormat, Filters


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--format",
    "wanted",
    type=click.Choice(get_args(ExportFormat)),
    help="By the end of FILE's name, if left out.",
)
@filter_options
@record_options
def export(
    file: Path,
    wanted: ExportFormat | None,
    filters: Filters,
    data: Path,
    record: str,
) -> None:
    """Write the inspections to FILE, the newest first; - is the standard output.

    docs/record.md has the columns. Parquet needs the extra `parquet`.
    """
    from service.recording.search.exports.export import Export, exported

    chosen = wanted or _by_name(file)
    try:
        opened = existing_record(data, record)
        parts = exported(opened.database, Export(filters, chosen))
        if str(file) == "-":
            _write(sys.stdout.buffer, parts)
            return
        # What is not whole yet must not look as if it were.
        unfinished = file.with_name(f".{file.name}.part")
        try:
            with unfinished.open("wb") as out:
                written = _write(out, parts)
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
        click.echo(f"{file} has {written} bytes", err=True)
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        sys.stdout = None
        raise click.exceptions.Exit(1) from None
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from None
    except TaktError as error:
        raise click.ClickException(str(error)) from None


def _by_name(file: Path) -> ExportFormat:
    ending = file.suffix.lower().lstrip(".")
    known: tuple[ExportFormat, ...] = get_args(ExportFormat)
    for name in known:
        if ending == name:
            return name
    raise click.UsageError(f"what is {file} to be? Name its --format: csv, jsonl or parquet")


def _write(out: BinaryIO, parts: Iterable[bytes]) -> int:
    return sum(out.write(part) for part in parts)
