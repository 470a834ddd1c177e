"""A judged selection of the record: inspections of one part, and what people said of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from takt.recording.database import Database
from takt.recording.record import Record
from takt.recording.search.filters import Filters
from takt.recording.search.pages import MOST_ON_A_PAGE, page_of
from takt.recording.search.pictures import picture_key_of
from takt.recording.search.stored import StoredInspection
from takt_msa.errors import MsaError
from takt_msa.sources.near_copies import near_copy_notes
from takt_msa.sources.references import (
    appraising_reviewers,
    opinions_on,
    reference_notes,
    reference_of,
)
from takt_msa.study import Part, Study, StudyNote, Trial, study_of

MOST_INSPECTIONS: Final = 100_000
"""More are no study with reference parts but a whole production."""

MOST_LOOKED_AT: Final = 5_000
"""Pictures; to find near-copies among more takes minutes."""

BY_RESULT: Final = ("verdict", "score_min", "score_max", "kept", "judgement", "request_id")
"""Filters that choose trials by what came of them."""


@dataclass(frozen=True)
class RecordedStudy:
    """A study, and the inspections that it is made of.

    Attributes:
        study: the inspection is its first appraiser, reviewers are the others if there are several.
        inspections: its trials, the earliest first.
    """

    study: Study
    inspections: tuple[StoredInspection, ...]


def recorded_study(record: Record, filters: Filters) -> RecordedStudy:
    """A study of the inspections that filters want, whose callers named the part.

    The reference of a part is the latest judgement of any of its pictures.

    Raises:
        MsaError: the filters choose by the result, the selection is not of one inspection as it
            was, or has no good or no defective part with two trials.
        PicturesError: a kept picture cannot be read.
        RecordError: the database cannot be read.
    """
    named, notes = _named(record.database, filters)
    _check_one_inspection(named)
    distinct, repeated = _each_picture_once(named)
    # What repeats counts once as a trial, and its judgement counts all the same.
    references = {part: reference_of(of_part) for part, of_part in _by_part(named).items()}
    judged = {part: one for part, one in references.items() if one and one.defective is not None}
    if not judged:
        raise MsaError(
            f"of {len(references)} parts none was judged good or defective; the reference is what "
            "people say of a part's pictures, so judge them first"
        )
    trials_of = {part: of_part for part, of_part in _by_part(distinct).items() if part in judged}
    trials = [one for of_part in trials_of.values() for one in of_part]
    said = opinions_on(record.database, [one.id for one in trials])
    reviewers = appraising_reviewers(said)
    parts = [
        Part(
            part,
            bool(judged[part].defective),
            tuple(_trial(one, said.get(one.id, {}), reviewers) for one in of_part),
        )
        for part, of_part in trials_of.items()
    ]
    notes += [
        *repeated,
        *reference_notes(references, reviewers),
        *_near_copy_notes(record.pictures.folder, trials_of),
    ]
    first = trials[0]
    title = f"{first.model}, version {first.version}"
    study = study_of((title, *reviewers), parts, first.threshold, notes)
    studied = {part.name for part in study.parts}
    return RecordedStudy(study, tuple(one for one in distinct if one.part in studied))


def _named(database: Database, filters: Filters) -> tuple[list[StoredInspection], list[StudyNote]]:
    """Inspections of the selection whose callers named the part; a note counts the others."""
    chosen = [name for name in filters.given if name in BY_RESULT]
    if chosen:
        raise MsaError(
            f"the selection is by {', '.join(chosen)}, which chooses trials by what came of them; "
            "choose by time, model, version, station, lot or part"
        )
    found = _inspections(database, filters)
    named = [one for one in found if one.part is not None]
    if not named:
        raise MsaError(
            f"of {len(found)} inspections none has the id of its part; callers name it with each "
            "picture, so that the trials of a part are known"
        )
    if len(named) == len(found):
        return named, []
    left_out = len(found) - len(named)
    return named, [StudyNote(f"inspections left out, without a part's id: {left_out}")]


def _inspections(database: Database, filters: Filters) -> list[StoredInspection]:
    """All that the filters want, the earliest first."""
    found: list[StoredInspection] = []
    after = None
    while True:
        with database.reading() as connection:
            page = page_of(connection, filters, limit=MOST_ON_A_PAGE, after=after)
        found += page.inspections
        if len(found) > MOST_INSPECTIONS:
            raise MsaError(
                f"the selection has more than {MOST_INSPECTIONS:,} inspections; a study is of "
                "reference parts, so narrow it by time, station or lot"
            )
        if page.next is None:
            return found[::-1]
        after = page.next


def _check_one_inspection(found: Sequence[StoredInspection]) -> None:
    """Check that one bundle decided all, at the same thresholds."""
    bundles = sorted({f"{one.model} version {one.version} ({one.digest[:12]})" for one in found})
    if len(bundles) > 1:
        raise MsaError(
            f"the selection has inspections by {', '.join(bundles)}; a study is of one inspection, "
            "so narrow it with --model and --version, or by time"
        )
    for what, thresholds in (
        ("threshold", {one.threshold for one in found}),
        ("threshold of regions", {one.pixel_threshold for one in found}),
    ):
        if len(thresholds) > 1:
            raise MsaError(
                f"within the selection the {what} was "
                f"{' and then '.join(map(str, sorted(thresholds)))}; a study is of one inspection "
                "as it is, so narrow it by time"
            )


def _each_picture_once(
    found: Sequence[StoredInspection],
) -> tuple[list[StoredInspection], list[StudyNote]]:
    """Without inspections of a picture that the part has already; notes say which."""
    first_of: dict[tuple[str, str | None], int] = {}
    parts_of: dict[str, set[str]] = defaultdict(set)
    distinct, repeated = [], []
    for one in found:
        if one.sha256 is None:
            distinct.append(one)
            continue
        parts_of[one.sha256].add(str(one.part))
        first = first_of.setdefault((one.sha256, one.part), one.id)
        if first == one.id:
            distinct.append(one)
        else:
            repeated.append(f"inspection {one.id} of {one.part} (as {first})")
    shared = {" = ".join(sorted(parts)) for parts in parts_of.values() if len(parts) > 1}
    notes = []
    if repeated:
        text = (
            f"inspections of a file that was inspected before, counted once: {len(repeated)}; "
            "repeating a file is not repeating a placement"
        )
        notes.append(StudyNote(text, tuple(repeated), grave=True))
    if shared:
        text = "different parts with the same file; a picture shows one part"
        notes.append(StudyNote(text, tuple(sorted(shared)), grave=True))
    unknown = sum(one.sha256 is None for one in found)
    if unknown:
        notes.append(
            StudyNote(f"inspections whose file is not known, so that it may repeat: {unknown}")
        )
    return distinct, notes


def _near_copy_notes(
    folder: Path, trials_of: Mapping[str, Sequence[StoredInspection]]
) -> Iterator[StudyNote]:
    """What the kept pictures of parts look like."""
    kept = {
        part: [path for one in of_part if (path := _picture(folder, one))]
        for part, of_part in trials_of.items()
    }
    if sum(map(len, kept.values())) > MOST_LOOKED_AT:
        kept = {}
    yield from near_copy_notes(kept)
    missing = sum(map(len, trials_of.values())) - sum(map(len, kept.values()))
    if missing:
        yield StudyNote(
            f"trials whose picture was not looked at, so that it may be a near-copy: {missing}"
        )


def _picture(folder: Path, inspection: StoredInspection) -> Path | None:
    """The file of a kept picture; None where there is none."""
    if not inspection.picture or inspection.sha256 is None:
        return None
    path = folder / picture_key_of(inspection).path
    return path if path.is_file() else None


def _trial(
    inspection: StoredInspection, said: Mapping[str, bool | None], reviewers: Sequence[str]
) -> Trial:
    return Trial(
        f"inspection {inspection.id}",
        inspection.score,
        (inspection.anomalous, *(said.get(reviewer) for reviewer in reviewers)),
    )


def _by_part(found: Iterable[StoredInspection]) -> dict[str, list[StoredInspection]]:
    by_part: dict[str, list[StoredInspection]] = defaultdict(list)
    for one in found:
        by_part[str(one.part)].append(one)
    return dict(by_part)
