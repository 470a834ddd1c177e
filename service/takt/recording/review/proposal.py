"""A threshold by what was judged, and what it would change; nothing is changed by it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from takt.core.bundles.conformal import USUAL_ALPHA, conformal_rank
from takt.core.bundles.tradeoff import best_f1
from takt.core.errors import CalibrationError, InvalidParameterError
from takt.recording.database import Database
from takt.recording.keeping import CHOSEN
from takt.recording.review.confusion import groups_at, layer_of, strata_of
from takt.recording.review.figures import Stratum, merged_strata
from takt.recording.review.what_if import (
    NO_DEFECT,
    REGIONS_STAY,
    WhatIf,
    as_given,
    threshold_of_latest,
    version_of,
    what_if_of,
)
from takt.recording.review.witnesses import MAP_SPOKE, UNDECIDED
from takt.recording.search.conditions import conditions
from takt.recording.search.filters import Filters
from takt.recording.tables import inspections

Rule = Literal["conformal", "best-f1"]
_Row = tuple[float, str, bool, str, bool]
"""Score, judgement, verdict, reason to be kept, and whether the map spoke."""

FEWEST_OF_EACH: Final = 10
"""Judged good and judged defective inspections without which no F1 is worth anything."""

MOST_SCORES: Final = 100_000
"""Judged inspections that are read; of more the latest ones."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A threshold of the score by what was judged.

    Attributes:
        model: name of the model.
        version: of the model; scores of another version are other numbers.
        rule: by which the threshold was found.
        alpha: false-reject rate that `conformal` aims at; None for the other rule.
        good: judged good inspections that it rests on.
        defects: judged defective ones that it rests on.
        what_if: the proposed threshold, and what it would change.
        limits: what cannot be told, as sentences.
    """

    model: str
    version: str
    rule: Rule
    alpha: float | None
    good: int
    defects: int
    what_if: WhatIf
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Scores:
    """Scores of the judged inspections whose pictures were chosen.

    Attributes:
        good: of those judged good, float64 [n].
        weights: how many inspections each of these stands for [n].
        defects: of those judged a defect, float64 [m].
        unjudged_passes: passes in strata of which nothing is judged.
        by_map: number of the good ones that are rejected whatever the threshold is, by a region.
        cut: whether there are more than were read.
    """

    good: NDArray[np.float64]
    weights: NDArray[np.float64]
    defects: NDArray[np.float64]
    unjudged_passes: int
    by_map: int
    cut: bool


def propose(
    database: Database, filters: Filters, rule: Rule = "conformal", alpha: float | None = None
) -> Proposal:
    """A threshold for one version of a model.

    The threshold of regions stays: a part that showed a region is rejected by each proposal, and is
    counted so.

    - `conformal`: at most `alpha` of the good parts score higher, as far as the judged ones tell.
      Each stands for as many as its stratum has for each judged one. Where all stand for equally
      many, it is the threshold of split conformal prediction.
    - `best-f1`: the highest F1 on the judged ones, good and defective, as they are.

    Args:
        database: of the record.
        filters: of the inspections; they name the model and its version.
        rule: by which the threshold is found.
        alpha: false-reject rate for `conformal`; 0.01 if None.

    Raises:
        CalibrationError: too few are judged; says how many are needed.
        InvalidParameterError: no version is named, or alpha goes with another rule.
        RecordError: the database cannot be read.
    """
    model, version = version_of(filters)
    if rule != "conformal" and alpha is not None:
        raise InvalidParameterError("alpha: it goes with the rule conformal")
    with database.reading() as connection:
        in_force = threshold_of_latest(connection, filters)
        rows = _judged_rows(connection, filters)
    if in_force is None:
        raise CalibrationError(
            f"the record has no such inspections of {model}, version {version}: there is nothing "
            "to find a threshold by"
        )
    given = as_given(groups_at(database, filters, in_force))
    scores = _scores(rows, strata_of(given))
    if rule == "conformal":
        alpha = USUAL_ALPHA if alpha is None else alpha
    try:
        if alpha is None:
            threshold = _best_f1(scores)
        else:
            threshold = weighted_threshold(
                scores.good, scores.weights, alpha, scores.unjudged_passes
            )
    except CalibrationError as error:
        judged = f"{len(scores.good)} good, {len(scores.defects)} defective"
        raise CalibrationError(f"judged of {model}, version {version}: {judged}; {error}") from None
    return Proposal(
        model=model,
        version=version,
        rule=rule,
        alpha=alpha,
        good=len(scores.good),
        defects=len(scores.defects),
        what_if=what_if_of(groups_at(database, filters, threshold), threshold, in_force),
        limits=tuple(_limits(scores, rule)),
    )


def weighted_threshold(
    scores: NDArray[np.float64], weights: NDArray[np.float64], alpha: float, below: float = 0.0
) -> float:
    """The least of the scores above which at most a share alpha of the weight lies.

    One more of the mean weight counts as if it lay above, as in split conformal prediction, which
    this is where all weights are equal.

    >>> weighted_threshold(np.arange(1.0, 20.0), np.ones(19), alpha=0.1)
    18.0

    Args:
        scores: of good parts [n].
        weights: how many parts each stands for [n].
        alpha: between 0 and 1.
        below: further good parts that score lower than all that counts here.

    Raises:
        CalibrationError: n is too small for alpha, as of split conformal prediction.
    """
    conformal_rank(len(scores), alpha)
    order = np.argsort(scores, kind="stable")
    scores, weights = scores[order], weights[order]
    one_more = float(weights.mean())
    total = float(weights.sum()) + below + one_more
    above = float(weights.sum()) - np.cumsum(weights) + one_more
    # Rounding of the sums must not decide at a share that is met exactly.
    enough = np.flatnonzero(above <= alpha * total * (1 + 1e-9))
    return float(scores[enough[0]])


def _judged_rows(connection: Connection, filters: Filters) -> list[_Row]:
    """What is judged, the latest first."""
    columns = inspections.c
    wanted = (
        select(columns.score, columns.judgement, columns.anomalous, columns.kept, MAP_SPOKE)
        .where(
            *conditions(filters),
            columns.judgement.in_(("good", "defect")),
            columns.kept.in_(CHOSEN),
            ~UNDECIDED,
        )
        .order_by(columns.at_us.desc())
        .limit(MOST_SCORES)
    )
    return [tuple(row) for row in connection.execute(wanted)]


def _scores(rows: Sequence[_Row], strata: Iterable[Stratum]) -> _Scores:
    merged = merged_strata(strata)
    stands_for = {
        (one.rejected, one.layer): one.inspections / one.judged for one in merged if one.judged
    }
    good = [
        (score, stands_for[rejected, layer_of(kept)])
        for score, judgement, rejected, kept, _ in rows
        if judgement == "good"
    ]
    defects = [score for score, judgement, *_ in rows if judgement == "defect"]
    unjudged = (
        one.inspections
        for one in merged
        if not one.rejected and one.layer == "rest" and not one.judged
    )
    return _Scores(
        good=np.array([score for score, _ in good], np.float64),
        weights=np.array([weight for _, weight in good], np.float64),
        defects=np.array(defects, np.float64),
        unjudged_passes=sum(unjudged),
        by_map=sum(bool(spoke) for _, judgement, *_, spoke in rows if judgement == "good"),
        cut=len(rows) == MOST_SCORES,
    )


def _best_f1(scores: _Scores) -> float:
    if min(len(scores.good), len(scores.defects)) < FEWEST_OF_EACH:
        raise CalibrationError(f"the best F1 needs at least {FEWEST_OF_EACH} of each")
    return best_f1(scores.good.astype(np.float32), scores.defects.astype(np.float32))


def _limits(scores: _Scores, rule: Rule) -> Iterable[str]:
    yield "it was found on the inspections that it is counted on, which flatters it"
    yield REGIONS_STAY
    if scores.by_map:
        yield (
            f"{scores.by_map} of the {len(scores.good)} judged good parts showed a region, and are "
            "rejected whatever the threshold of the score is"
        )
    if rule == "best-f1":
        yield (
            "F1 goes by the judged inspections as they are, in which defects are more frequent "
            "than on the line"
        )
    elif scores.unjudged_passes:
        yield (
            f"{scores.unjudged_passes} passes, of which none is judged, count as good parts below "
            "the threshold"
        )
    if not scores.defects.size:
        yield NO_DEFECT
    if scores.cut:
        yield f"only the latest {MOST_SCORES} judged inspections were read"
