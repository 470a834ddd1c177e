"""Scores of what was judged, of one bundle: what another threshold would have said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import Connection, case, func, select

from takt.recording.database import Database
from takt.recording.review.witnesses import MAP_SPOKE, UNDECIDED
from takt.recording.tables import inspections, sources

MOST_SCORES: Final = 5000
"""Scores of each judgement that are read; of more the latest ones."""


@dataclass(frozen=True, slots=True)
class JudgedScores:
    """Scores of the inspections of one judgement.

    Attributes:
        scores: ascending; of the latest `MOST_SCORES`.
        regions: whether each showed a region as well, at the pixel threshold of then.
        count: of all of them.
    """

    scores: tuple[float, ...]
    regions: tuple[bool, ...]
    count: int


def judged_scores(
    database: Database, model: str, version: str, digest: str, most: int = MOST_SCORES
) -> tuple[JudgedScores, JudgedScores]:
    """The scores of the inspections judged good, and of those judged a defect.

    Args:
        database: of the record.
        model: name of the model.
        version: of the model.
        digest: of the bundle; another one under the same name has scores of its own.
        most: scores of each that are read.

    Raises:
        RecordError: the database cannot be read.
    """
    with database.reading() as connection:
        of_bundle = select(sources.c.id).filter_by(model=model, version=version, digest=digest)
        asked = connection.execute(of_bundle).scalars().all()
        return (
            _scores(connection, model, asked, "good", most),
            _scores(connection, model, asked, "defect", most),
        )


def _scores(
    connection: Connection,
    model: str,
    source_ids: Sequence[int],
    judgement: Literal["good", "defect"],
    most: int,
) -> JudgedScores:
    columns = inspections.c
    # The model is the source's, and names the index by which judged ones are found.
    wanted = (
        columns.model == model,
        columns.judgement == judgement,
        columns.source_id.in_(source_ids),
        ~UNDECIDED,
    )
    spoke = case((MAP_SPOKE, 1), else_=0)
    latest = select(columns.score, spoke).where(*wanted).order_by(columns.at_us.desc()).limit(most)
    found = sorted(tuple(row) for row in connection.execute(latest))
    count = len(found)
    if count == most:
        all_of_them = select(func.count()).select_from(inspections).where(*wanted)
        count = connection.execute(all_of_them).scalar_one()
    return JudgedScores(
        tuple(score for score, _ in found), tuple(bool(region) for _, region in found), count
    )
