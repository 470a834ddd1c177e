"""`takt replay`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from takt.commands.errors import plain_errors
from takt.commands.records.options import filter_options
from takt.headings import HeadedCommand
from takt.recording.record import existing_record, record_options
from takt.recording.search.filters import Filters

if TYPE_CHECKING:
    from takt.commands.replay.report import Report
    from takt.recording.record import Record
    from takt.recording.search.stored import StoredInspection
    from takt.settings import Settings


@click.command("replay", cls=HeadedCommand)
@click.argument("numbers", metavar="[ID]...", nargs=-1, type=click.IntRange(1, 2**63 - 1))
@click.option(
    "--all", "every", is_flag=True, help="The newest with a kept picture that the filters want."
)
@filter_options
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help="With --all, most inspections.",
)
@click.option(
    "--repository",
    help="Folder of bundles, <name>/<version>/ each, or the URL that `takt serve` has.  "
    "[TAKT_REPOSITORY; default: bundles]",
)
@click.option(
    "--engine",
    help="Replay on this engine instead of the recorded ones: onnxruntime, openvino, cuda, "
    "tensorrt, or the name of a variant.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object on each line.")
@record_options
@plain_errors
def replay_command(
    numbers: tuple[int, ...],
    every: bool,
    filters: Filters,
    limit: int,
    repository: str | None,
    engine: str | None,
    as_json: bool,
    data: Path,
    record: str,
) -> None:
    """Inspect the kept pictures of inspections ID... again, and compare the answers.

    The bundle is found by its recorded digest, its files are checked, and the recorded engine is
    opened. Score, verdict and regions are compared, at the recorded thresholds: within 1e-6 where
    engine, runtime and processor are the recorded ones, else within the bounds in which a server
    loads such engines. Ends with 1 where an answer differs or could not be had.
    """
    if bool(numbers) == every:
        raise click.UsageError("name inspections by their numbers, or give --all")
    if numbers and filters.given:
        raise click.UsageError("filters go with --all")
    from takt.commands.replay.report import JsonReport, TableReport
    from takt.configuration import load_settings

    settings = load_settings({"repository": repository, "data_folder": data})
    found = existing_record(data, record)
    chosen = _by_filters(found, filters, limit) if every else _by_number(found, numbers)
    report: Report = JsonReport() if as_json else TableReport()
    asyncio.run(_replay(found, chosen, settings, engine, report))
    report.end()
    if not report.all_reproduced:
        raise SystemExit(1)


async def _replay(
    record: Record,
    chosen: list[StoredInspection],
    settings: Settings,
    engine: str | None,
    report: Report,
) -> None:
    from takt.repository.replaying.many import replay_many

    async for one in replay_many(chosen, record.pictures, settings, engine):
        report.put(one)


def _by_number(record: Record, numbers: tuple[int, ...]) -> list[StoredInspection]:
    from takt.recording.search.pages import inspection_of

    with record.database.reading() as connection:
        return [inspection_of(connection, number) for number in dict.fromkeys(numbers)]


def _by_filters(record: Record, filters: Filters, limit: int) -> list[StoredInspection]:
    """The newest with a kept picture that is still there.

    Raises:
        InspectionNotFoundError: there is none.
    """
    from dataclasses import replace

    from takt.core.errors import InspectionNotFoundError
    from takt.recording.search.pages import MOST_ON_A_PAGE, page_of

    wanted = filters if filters.kept else replace(filters, kept="any")
    found: list[StoredInspection] = []
    after = None
    while len(found) < limit:
        size = min(MOST_ON_A_PAGE, limit - len(found))
        with record.database.reading() as connection:
            page = page_of(connection, wanted, limit=size, after=after)
        # What retention has removed cannot be asked again, and is no failure.
        found += [one for one in page.inspections if one.picture]
        after = page.next
        if after is None:
            break
    if not found:
        raise InspectionNotFoundError("the record has no such inspection with a kept picture")
    return found
