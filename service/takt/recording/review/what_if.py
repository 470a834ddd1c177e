"""What another threshold of the score would have said of recorded inspections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, select

from takt.core.errors import InspectionNotFoundError, InvalidParameterError
from takt.recording.database import Database
from takt.recording.review.confusion import Group, groups_at, strata_of
from takt.recording.review.figures import ReviewFigures, figures_of
from takt.recording.search.conditions import conditions
from takt.recording.search.filters import Filters
from takt.recording.tables import inspections

REGIONS_STAY: Final = "the threshold of regions (pixel) stays; nobody judged regions"
NO_DEFECT: Final = "no defect is judged: what the threshold misses is not known"


@dataclass(frozen=True, slots=True)
class Flips:
    """Verdicts that another threshold would turn round.

    Attributes:
        to_pass: rejects that would pass.
        to_reject: passes that would be rejected.
    """

    to_pass: int
    to_reject: int


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a threshold of the score would have changed.

    Attributes:
        threshold: the one that is looked at.
        in_force: the one that judged the latest of these inspections.
        before: mistakes of the verdicts as they were given.
        after: mistakes of the threshold on the same inspections.
        flips_good: verdicts on judged good ones that it would turn round.
        flips_defects: verdicts on judged defects that it would turn round.
        flips_unsure: verdicts on those judged unsure that it would turn round.
        flips_all: verdicts on all inspections that it would turn round, judged or not.
    """

    threshold: float
    in_force: float
    before: ReviewFigures
    after: ReviewFigures
    flips_good: Flips
    flips_defects: Flips
    flips_unsure: Flips
    flips_all: Flips

    @property
    def good(self) -> int:
        """Inspections that are judged good."""
        return self.before.counts.false_rejects + self.before.counts.true_passes

    @property
    def defects(self) -> int:
        """Inspections that are judged a defect."""
        return self.before.counts.true_rejects + self.before.counts.slips

    @property
    def limits(self) -> tuple[str, ...]:
        """What cannot be told of any threshold, as sentences."""
        region = "what showed a region is rejected whatever the threshold of the score is"
        return (REGIONS_STAY, region, *(() if self.defects else (NO_DEFECT,)))


def what_if(database: Database, filters: Filters, threshold: float) -> WhatIf:
    """What a threshold of the score would have changed, judged or not.

    Args:
        database: of the record.
        filters: of the inspections; they name the model and its version.
        threshold: that is looked at.

    Raises:
        InspectionNotFoundError: there is none.
        InvalidParameterError: no version is named.
        RecordError: the database cannot be read.
    """
    model, version = version_of(filters)
    with database.reading() as connection:
        in_force = threshold_of_latest(connection, filters)
    if in_force is None:
        raise InspectionNotFoundError(
            f"the record has no such inspections of {model}, version {version}: there is nothing "
            "that a threshold would have changed"
        )
    return what_if_of(groups_at(database, filters, threshold), threshold, in_force)


def what_if_of(groups: Iterable[Group], threshold: float, in_force: float) -> WhatIf:
    """What a threshold would have changed.

    Args:
        groups: the inspections, with the verdicts that the threshold gives.
        threshold: that gives them.
        in_force: the one that judged the latest of them.
    """
    groups = list(groups)
    return WhatIf(
        threshold=threshold,
        in_force=in_force,
        before=figures_of(strata_of(as_given(groups))),
        after=figures_of(strata_of(groups)),
        flips_good=_flips(groups, "good"),
        flips_defects=_flips(groups, "defect"),
        flips_unsure=_flips(groups, "unsure"),
        flips_all=_flips(groups),
    )


def version_of(filters: Filters) -> tuple[str, str]:
    """The model and its version, which a threshold is one of.

    Raises:
        InvalidParameterError: no version is named.
    """
    if filters.model is None or filters.version is None:
        raise InvalidParameterError(
            "version: a threshold is one of a version; name the model and its version"
        )
    return filters.model, filters.version


def threshold_of_latest(connection: Connection, filters: Filters) -> float | None:
    """The threshold that judged the latest of the inspections; None if there is none."""
    columns = inspections.c
    latest = (
        select(columns.threshold)
        .where(*conditions(filters))
        .order_by(columns.at_us.desc(), columns.id.desc())
        .limit(1)
    )
    found: float | None = connection.execute(latest).scalar()
    return found


def as_given(groups: Iterable[Group]) -> list[Group]:
    """The groups with the verdicts that were given."""
    return [replace(group, rejected=group.anomalous) for group in groups]


def _flips(groups: Iterable[Group], judgement: str | None = None) -> Flips:
    """Verdicts that turn round; of one judgement, or of all inspections."""
    wanted = [group for group in groups if judgement in (None, group.judgement)]
    return Flips(
        to_pass=sum(one.count for one in wanted if one.anomalous and not one.rejected),
        to_reject=sum(one.count for one in wanted if not one.anomalous and one.rejected),
    )
