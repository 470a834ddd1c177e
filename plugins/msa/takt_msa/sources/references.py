"""What people said of the parts of a recorded study: references, and reviewers' own decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from takt.recording.database import Database
from takt.recording.review.history import opinions, said_of
from takt.recording.search.pages import MOST_ON_A_PAGE
from takt.recording.search.stored import StoredInspection
from takt_msa.study import StudyNote


@dataclass(frozen=True)
class PartReference:
    """What people said of a part.

    Attributes:
        defective: by the latest judgement; None if that is `unsure`.
        disputed: whether its pictures have been judged good and defective.
    """

    defective: bool | None
    disputed: bool


def reference_of(of_part: Iterable[StoredInspection]) -> PartReference | None:
    """What people said of a part; None if nobody did."""
    judged = [one for one in of_part if one.judgement is not None and one.judged_at is not None]
    if not judged:
        return None
    latest = max(judged, key=lambda one: (one.judged_at, one.id))
    said = {one.judgement for one in judged}
    return PartReference(_rejection(latest.judgement), disputed={"good", "defect"} <= said)


def reference_notes(
    references: Mapping[str, PartReference | None], reviewers: Sequence[str]
) -> Iterator[StudyNote]:
    """Notes on parts without a clear reference, and on reviewers who gave it."""
    unjudged = tuple(part for part, one in references.items() if one is None)
    unsure = tuple(part for part, one in references.items() if one and one.defective is None)
    disputed = tuple(part for part, one in references.items() if one and one.disputed)
    if unjudged:
        yield StudyNote(
            f"parts left out, as nobody judged them: {len(unjudged)}; if they are those whose "
            "pictures were not kept, as all trials passed, their misses are not in the figures",
            unjudged,
            grave=True,
        )
    if unsure:
        yield StudyNote(
            f"parts left out, of which people are not sure: {len(unsure)}", unsure, grave=True
        )
    if disputed:
        yield StudyNote(
            f"parts whose pictures were judged good and defective: {len(disputed)}; the latest "
            "judgement is the reference",
            disputed,
            grave=True,
        )
    if reviewers:
        yield StudyNote(
            "the reference is the latest judgement, so that whoever judged last agrees with it by "
            "that alone"
        )


def appraising_reviewers(said: Mapping[int, Mapping[str, bool | None]]) -> list[str]:
    """Reviewers who are appraisers, sorted: all of several; a single one is the reference."""
    reviewers = sorted({reviewer for by_reviewer in said.values() for reviewer in by_reviewer})
    return reviewers if len(reviewers) > 1 else []


def opinions_on(database: Database, ids: Sequence[int]) -> dict[int, dict[str, bool | None]]:
    """Of each inspection, whether a reviewer rejects it; None where one is not sure."""
    found = {}
    for start in range(0, len(ids), MOST_ON_A_PAGE):
        with database.reading() as connection:
            said = said_of(connection, ids[start : start + MOST_ON_A_PAGE])
        for number, rows in said.items():
            found[number] = {one.reviewer: _rejection(one.judgement) for one in opinions(rows)}
    return found


def _rejection(judgement: str | None) -> bool | None:
    return {"defect": True, "good": False}.get(judgement or "")
