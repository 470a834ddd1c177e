"""How odd one recorded picture is among the good ones of its calibration, fact by fact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, select

from takt.core.domain import FactName
from takt.core.errors import InspectionNotFoundError
from takt.core.pictures.facts import FACTS
from takt.core.pictures.good_facts import GoodFacts
from takt.recording.tables import inspections, sources
from takt.recording.watch.known import KnownOf, stored_facts
from takt.watching.ecod import Ecod


@dataclass(frozen=True, slots=True)
class OddFact:
    """A fact of a picture, beside those of good ones.

    Attributes:
        fact: its name.
        value: of the picture.
        usual: its median over the good ones.
        tail: share of good pictures that are as far out, on either side; 1 is the middle.
        high: whether it is higher than usual.
    """

    fact: FactName
    value: float
    usual: float
    tail: float
    high: bool


@dataclass(frozen=True, slots=True)
class Oddness:
    """How odd a picture is.

    Attributes:
        score: ECOD's; 0 and more.
        odder: share of the good pictures that are at least as odd.
        facts: those that are known, the oddest first.
    """

    score: float
    odder: float
    facts: tuple[OddFact, ...]


def oddness_of(connection: Connection, id: int, known_of: KnownOf) -> Oddness:
    """How odd the picture of an inspection is.

    Raises:
        InspectionNotFoundError: the record lacks it, its facts, or those of its bundle.
    """
    row = connection.execute(
        select(inspections.c.model, inspections.c.version, inspections.c.facts, sources.c.digest)
        .join(sources, inspections.c.source_id == sources.c.id)
        .where(inspections.c.id == id)
    ).one_or_none()
    if row is None:
        raise InspectionNotFoundError(f"the record has no inspection {id}")
    known = known_of(row.model, row.version, row.digest) if row.facts is not None else None
    if known is None or known.facts is None:
        raise InspectionNotFoundError(
            f"nothing is known of how usual the picture of inspection {id} is: version "
            f"{row.version} of {row.model} keeps no facts of good pictures, or is not here any "
            "more; `takt calibrate` adds them"
        )
    return oddness(stored_facts(row.facts).astype(np.float64), known.facts)


def oddness(picture: np.ndarray[tuple[int], np.dtype[np.float64]], facts: GoodFacts) -> Oddness:
    """How odd a picture is, by its facts [facts]."""
    table = facts.table.astype(np.float64)
    ecod = Ecod(table)
    score, tails = ecod.score(picture), ecod.explain(picture)
    of_good = np.array([ecod.score(row) for row in table[:: max(1, len(table) // 100)]])
    found = [
        OddFact(
            fact.name,
            float(picture[at]),
            float(np.nanmedian(table[:, at])),
            float(tails.share[at]),
            bool(tails.high[at]),
        )
        for at, fact in enumerate(FACTS)
        if not np.isnan(picture[at]) and not np.isnan(table[:, at]).all()
    ]
    found.sort(key=lambda one: one.tail)
    return Oddness(score, float((of_good >= score).mean()), tuple(found))
