"""Which bundles the record needs: those whose answers somebody may want to see again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from takt.recording.tables import inspections, sources

_NEEDED = or_(inspections.c.picture, inspections.c.judgement.is_not(None))


@dataclass(frozen=True, slots=True)
class Need:
    """What the record has of a bundle's answers.

    Attributes:
        pictures: inspections whose picture is kept, which can be replayed.
        judged: inspections that somebody has judged.
    """

    pictures: int
    judged: int


def needs_of(connection: Connection, digest: str | None = None) -> dict[str, Need]:
    """What the record needs bundles for, by their digests; a bundle that it needs not is missing.

    Args:
        connection: for reading.
        digest: of the one bundle that is asked for; None for all.
    """
    query = (
        select(
            sources.c.digest,
            func.count().filter(inspections.c.picture),
            func.count(inspections.c.judgement),
        )
        .join_from(inspections, sources, inspections.c.source_id == sources.c.id)
        .where(_NEEDED)
        .group_by(sources.c.digest)
    )
    if digest is not None:
        query = query.where(sources.c.digest == digest)
    return {found: Need(pictures, judged) for found, pictures, judged in connection.execute(query)}
