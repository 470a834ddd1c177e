"""`takt msa records`: a judged selection of the record."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from takt.commands.records.options import filter_options
from takt.headings import with_options
from takt.recording.record import existing_record, record_options
from takt.recording.search.filters import Filters
from takt_export.commands.options import plain_errors
from takt_msa.commands.outputs import OUTPUTS, StudyOutputs

if TYPE_CHECKING:
    from takt_msa.analysis import StudyContext
    from takt_msa.sources.recorded import RecordedStudy


@click.command()
@filter_options
@with_options(*OUTPUTS)
@record_options
@plain_errors
def records(
    filters: Filters, report: Path | None, json_file: Path | None, data: Path, record: str
) -> None:
    """Analyse recorded inspections of parts that were placed several times.

    The trials of a part are the inspections whose callers named it; the reference is the latest
    judgement of any of its pictures. Where several people have judged, they are appraisers beside
    the inspection. The filters choose by time, model, version, station, lot or part; a selection by
    the result is refused.
    """
    from takt_msa.sources.recorded import recorded_study

    outputs = StudyOutputs(report, json_file)
    outputs.check()
    opened = existing_record(data, record)
    try:
        found = recorded_study(opened, filters)
        context = _context(found, filters, opened.database.name)
    finally:
        opened.close()
    outputs.tell(found.study, context)


def _context(found: RecordedStudy, filters: Filters, database: str) -> StudyContext:
    from datetime import UTC, datetime

    from takt_msa.analysis import StudyContext, StudyFact

    first, last = found.inspections[0], found.inspections[-1]
    engines = sorted({f"{one.engine}, {one.runtime}" for one in found.inspections})
    chosen = [f"{name} {value}" for name, value in asdict(filters).items() if value is not None]
    return StudyContext(
        title=found.study.appraisers[0],
        source=f"{len(found.inspections)} inspections of the record in {database}",
        analysed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        facts=(
            StudyFact("selection", ", ".join(chosen) or "all of the record"),
            StudyFact("from", first.at.isoformat(timespec="seconds")),
            StudyFact("to", last.at.isoformat(timespec="seconds")),
            StudyFact("digest", first.digest),
            StudyFact("engine", "; ".join(engines)),
            StudyFact("threshold", f"{first.threshold:.6g}"),
        ),
    )
