"""`takt records export`: inspections as a file, or judged pictures as folders."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, get_args

import click

from takt.commands.record import OpenRecord, reads_record
from takt.commands.records.options import filter_options
from takt.headings import HeadedCommand
from takt.recording.search.filters import ExportFormat, Filters

if TYPE_CHECKING:
    from takt.recording.record import Record


@click.command(cls=HeadedCommand)
@click.argument(
    "file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), required=False
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write judged pictures into folders good and defect in this one instead, and what was "
    "said of each into judgements.jsonl.",
)
@click.option(
    "--format",
    "wanted",
    type=click.Choice(get_args(ExportFormat)),
    help="By the end of FILE's name, if left out.",
)
@filter_options
@reads_record
def export(
    file: Path | None,
    folder: Path | None,
    wanted: ExportFormat | None,
    filters: Filters,
    open_record: OpenRecord,
) -> None:
    """Write the inspections to FILE, the newest first; - is the standard output.

    docs/record.md has the columns. Parquet needs the extra `parquet`. With --folder, write what
    was judged good or a defect as pictures for takt learn, calibrate and eval.
    """
    if (file is None) == (folder is None):
        raise click.UsageError("name a FILE, or a --folder for judged pictures")
    if folder is not None and wanted is not None:
        raise click.UsageError("--format goes with a FILE; pictures are written as they came")
    opened = open_record()
    if folder is not None:
        _export_folders(opened, filters, folder)
    elif file is not None:
        _export_file(opened, filters, wanted or _by_name(file), file)


def _export_folders(record: Record, filters: Filters, folder: Path) -> None:
    from takt.recording.review.folders import export_folders

    click.echo("\n".join(export_folders(record, filters, folder).lines()))


def _export_file(record: Record, filters: Filters, wanted: ExportFormat, file: Path) -> None:
    from takt.core.bundles.files import unfinished_file
    from takt.recording.search.exports.export import Export, exported

    parts = exported(record.database, Export(filters, wanted))
    try:
        if str(file) == "-":
            _write(sys.stdout.buffer, parts)
            return
        # What is not whole yet must not look as if it were.
        with unfinished_file(file) as unfinished, unfinished.open("wb") as out:
            written = _write(out, parts)
        click.echo(f"{file} has {written} bytes", err=True)
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        sys.stdout = None
        raise click.exceptions.Exit(1) from None
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from None


def _by_name(file: Path) -> ExportFormat:
    ending = file.suffix.lower().lstrip(".")
    known: tuple[ExportFormat, ...] = get_args(ExportFormat)
    for name in known:
        if ending == name:
            return name
    raise click.UsageError(f"what is {file} to be? Name its --format: csv, jsonl or parquet")


def _write(out: BinaryIO, parts: Iterable[bytes]) -> int:
    return sum(out.write(part) for part in parts)
