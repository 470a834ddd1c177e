"""The filters of a query, and the number of an inspection, as the API's document shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path
from pydantic import Field

from takt.api.given import QueryIn
from takt.recording.search.filters import (
    LONGEST_TEXT,
    SHA256_PATTERN,
    Filters,
    JudgementFilter,
    KeptFilter,
    Verdict,
)
from takt.recording.search.times import EXAMPLES, us_of

Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
InspectionId = Annotated[Id, Path(alias="id", description="Number of the inspection.")]


class FiltersIn(QueryIn):
    """Which inspections are wanted: those that meet every filter that is given.

    >>> FiltersIn(model="bolt", since="1970-01-01T00:00:01Z").filters().since_us
    1000000
    """

    since: Text | None = Field(None, description=f"Answered at this time or later: {EXAMPLES}.")
    until: Text | None = Field(None, description="Answered before this time.")
    model: Text | None = Field(None, description="Name of the model.")
    version: Text | None = Field(None, description="Version of the model, which is named as well.")
    verdict: Verdict | None = Field(
        None,
        description="What the service said; `reject`: rejected, which pictures are, too, that "
        "could not be judged; `undecided`: these alone.",
    )
    judgement: JudgementFilter | None = Field(
        None, description="What people said last; `none`: nobody has said anything."
    )
    station: Text | None = Field(None, description="Where the picture was taken.")
    lot: Text | None = Field(None, description="The part's lot.")
    part: Text | None = Field(None, description="The part's id.")
    score_min: float | None = Field(None, description="Least score.")
    score_max: float | None = Field(None, description="Highest score.")
    request_id: Text | None = Field(None, description="Id of the request.")
    kept: KeptFilter | None = Field(
        None,
        description="Why the picture was to be kept; `any`: as a reject, near or sample, which are "
        "what a review goes through.",
    )
    sha256: str | None = Field(
        None,
        pattern=SHA256_PATTERN,
        description="SHA-256 of the picture's file as it came, in hex: the same picture again.",
    )

    def filters(self) -> Filters:
        """The filters.

        Raises:
            InvalidParameterError: one cannot be met, whatever the record has.
        """
        now = datetime.now(UTC)
        return Filters(
            since_us=None if self.since is None else us_of(self.since, now),
            until_us=None if self.until is None else us_of(self.until, now),
            **self.model_dump(include=_SAME),
        )


_SAME = set(FiltersIn.model_fields) - {"since", "until"}
