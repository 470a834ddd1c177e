"""Filters: which inspections of the record are wanted."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import Final, Literal, get_args

from takt.core.errors import InvalidParameterError

Verdict = Literal["reject", "pass", "undecided"]
JudgementFilter = Literal["defect", "good", "unsure", "none"]
KeptFilter = Literal["reject", "near", "sample", "recent", "any"]
ExportFormat = Literal["csv", "jsonl", "parquet"]

LONGEST_TEXT: Final = 256
"""Characters of a text to look for."""

SHA256_PATTERN: Final = r"^[0-9A-Fa-f]{64}$"

_MOST_US: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Filters:
    """Which inspections are wanted: those that meet every filter that is given.

    >>> Filters(model="bolt", version="2").given
    ('model', 'version')

    Attributes:
        since_us: answered at this time or later, in µs of Unix time.
        until_us: answered before this time, in µs of Unix time.
        model: name of the model.
        version: of the model, which must be named with it.
        verdict: what the service said; a `reject` is what could not be judged, too, and
            `undecided` that alone.
        judgement: what people said last; `none` for what nobody has judged.
        station: where the picture was taken.
        lot: the part's lot.
        part: the part's id.
        score_min: least score.
        score_max: highest score.
        request_id: id of the request.
        kept: why the picture was to be kept; `any` for a reject, near or sample, which a rule or
            chance has chosen.
        sha256: of the picture's file as it came, in hex.

    Raises:
        InvalidParameterError: a filter cannot be met whatever the record has.
    """

    since_us: int | None = None
    until_us: int | None = None
    model: str | None = None
    version: str | None = None
    verdict: Verdict | None = None
    judgement: JudgementFilter | None = None
    station: str | None = None
    lot: str | None = None
    part: str | None = None
    score_min: float | None = None
    score_max: float | None = None
    request_id: str | None = None
    kept: KeptFilter | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.model is None:
            raise InvalidParameterError("version: a version is one of a model; name the model, too")
        for name in ("model", "version", "station", "lot", "part", "request_id"):
            check_sought(name, getattr(self, name))
        for name, kind in (
            ("verdict", Verdict),
            ("judgement", JudgementFilter),
            ("kept", KeptFilter),
        ):
            if (value := getattr(self, name)) is not None and value not in get_args(kind):
                raise InvalidParameterError(f"{name}: {value!r} is none of {get_args(kind)}")
        if self.sha256 is not None and re.fullmatch(SHA256_PATTERN, self.sha256) is None:
            raise InvalidParameterError(
                "sha256: give the SHA-256 of the picture's file in hex, which has 64 digits"
            )
        for name in ("score_min", "score_max"):
            if (score := getattr(self, name)) is not None and not math.isfinite(score):
                raise InvalidParameterError(f"{name}: {score} is no finite number")
        check_moment("since_us", self.since_us)
        check_moment("until_us", self.until_us)

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the filters that are given."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) is not None)


def check_sought(name: str, text: str | None) -> None:
    """Refuse what no column has: PostgreSQL would fail on some of it."""
    if text is None:
        return
    if len(text) > LONGEST_TEXT:
        raise InvalidParameterError(f"{name}: at most {LONGEST_TEXT} characters can be looked for")
    if any(character < " " or "\ud800" <= character <= "\udfff" for character in text):
        raise InvalidParameterError(f"{name}: control characters cannot be looked for")


def check_moment(name: str, at_us: int | None) -> None:
    """Refuse a time that no column can have."""
    if at_us is not None and abs(at_us) > _MOST_US:
        raise InvalidParameterError(f"{name}: {at_us} is too far from now")
