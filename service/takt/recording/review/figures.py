"""What judgements tell of all inspections: the mistakes of a threshold, as far as they show.

Not every inspection is judged, and those that are were not chosen evenly: every reject is kept,
but of the passes those near the threshold and a random sample of the rest. So inspections lie in
strata: by the verdict, and by why a picture is kept. Within a stratum h of N_h inspections, the
judged ones stand for all of it. With d_h defects among n_h judged ones, N_h d_h / n_h is the
estimated number of defects in it (Horvitz and Thompson, 1952: each counts for as many as one of its
stratum was chosen from).

The intervals hold with 95 %, whatever the numbers: each of the k strata that a figure rests on has
an exact interval (Clopper and Pearson, 1934) of confidence 1 - 0.05/k, so that all of them hold at
once with 95 % (Bonferroni), and the figure's bounds are its values at the least favourable ends. A
stratum of which nobody judged anything may be anything, which leaves the bounds wide.

They suppose that reviewers take what is kept as it comes, and judge rightly. A picture that is
there since it is recent was chosen by nothing: its inspection is one of the rest, as it would be
without the picture, and where somebody judges it, somebody has chosen it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from takt.core.intervals import CONFIDENCE, UNKNOWN, ShareInterval, exact_interval

Layer = Literal["reject", "near", "rest"]
"""Why the pictures of a stratum are kept; of `rest` a random sample is."""

LAYERS: Final[tuple[Layer, ...]] = ("reject", "near", "rest")


@dataclass(frozen=True, slots=True)
class Stratum:
    """Inspections of one verdict whose pictures were kept, or not, for one reason.

    Attributes:
        rejected: the verdict.
        layer: why pictures are kept.
        inspections: number of all of them.
        kept: number of those whose pictures were kept for this reason.
        good: of the kept ones, judged good.
        defects: of the kept ones, judged a defect.
        unsure: judged unsure.
        good_by_hand: judged good though nothing chose their pictures: somebody chose them.
        defects_by_hand: judged a defect in the same way.
    """

    rejected: bool
    layer: Layer
    inspections: int = 0
    kept: int = 0
    good: int = 0
    defects: int = 0
    unsure: int = 0
    good_by_hand: int = 0
    defects_by_hand: int = 0

    @property
    def judged(self) -> int:
        """Of the kept ones, judged good or a defect."""
        return self.good + self.defects

    def __add__(self, other: Stratum) -> Stratum:
        """Both together, such as of two days."""
        return Stratum(
            self.rejected,
            self.layer,
            self.inspections + other.inspections,
            self.kept + other.kept,
            self.good + other.good,
            self.defects + other.defects,
            self.unsure + other.unsure,
            self.good_by_hand + other.good_by_hand,
            self.defects_by_hand + other.defects_by_hand,
        )


@dataclass(frozen=True, slots=True)
class JudgedCounts:
    """Judged inspections by judgement and verdict, however they were chosen.

    Attributes:
        true_rejects: defects that were rejected.
        false_rejects: good parts that were rejected.
        slips: defects that passed.
        true_passes: good parts that passed.
        unsure: judged unsure; in none of the others.
    """

    true_rejects: int
    false_rejects: int
    slips: int
    true_passes: int
    unsure: int


@dataclass(frozen=True, slots=True)
class EstimatedShare:
    """A share of inspections, between 0 and 1, by what is judged.

    Attributes:
        value: the estimate; None where a stratum that it rests on has nothing judged.
        interval: holds it with 95 %.
    """

    value: float | None
    interval: ShareInterval


@dataclass(frozen=True, slots=True)
class ReviewFigures:
    """The mistakes of a threshold, among the judged inspections and among all of them.

    Attributes:
        inspections: number of all of them.
        rejects: number of those that were rejected.
        counts: of the judged ones.
        false_alarms: share of the rejects that are good.
        slips: share of the passes that are defects.
        false_reject_rate: share of the good parts that were rejected.
        miss_rate: share of the defects that passed.
        defect_rate: share of all that are defects.
        limits: what cannot be told and why, as sentences.
    """

    inspections: int
    rejects: int
    counts: JudgedCounts
    false_alarms: EstimatedShare
    slips: EstimatedShare
    false_reject_rate: EstimatedShare
    miss_rate: EstimatedShare
    defect_rate: EstimatedShare
    limits: tuple[str, ...]


def figures_of(strata: Iterable[Stratum]) -> ReviewFigures:
    """The figures of some strata; one stratum may come several times, and is added up.

    >>> rejects = Stratum(True, "reject", inspections=4, kept=4, good=1, defects=3)
    >>> figures_of([rejects]).false_alarms.value
    0.25
    """
    merged = merged_strata(strata)
    rejects = [one for one in merged if one.rejected]
    passes = [one for one in merged if not one.rejected]
    of_rejects, of_passes = _size(rejects), _size(passes)
    rejected, passed = _Defects(rejects, len(rejects)), _Defects(passes, len(passes))
    # A figure of both needs that all their strata hold at once.
    both_rejected, both_passed = (_Defects(part, len(merged)) for part in (rejects, passes))
    return ReviewFigures(
        inspections=of_rejects + of_passes,
        rejects=of_rejects,
        counts=_counts(rejects, passes),
        false_alarms=_share(rejected.good(), of_rejects),
        slips=_share(passed, of_passes),
        false_reject_rate=_of_both(both_rejected.good(), both_passed.good()),
        miss_rate=_of_both(both_passed, both_rejected),
        defect_rate=_share(both_rejected + both_passed, of_rejects + of_passes),
        limits=tuple(_limits(rejects, passes)),
    )


def merged_strata(strata: Iterable[Stratum]) -> list[Stratum]:
    """The strata, each once, without those that have no inspections."""
    found: dict[tuple[bool, Layer], Stratum] = {}
    for one in strata:
        key = (one.rejected, one.layer)
        found[key] = found[key] + one if key in found else one
    return [one for one in found.values() if one.inspections]


class _Defects:
    """A number of defects in some strata: an estimate, if there is one, and bounds.

    Args:
        strata: that it is of.
        together: number of strata that have to hold at once.
    """

    def __init__(self, strata: Sequence[Stratum], together: int) -> None:
        confidence = 1 - (1 - CONFIDENCE) / max(1, together)
        self.size = _size(strata)
        self.value: float | None = 0.0
        self.low = self.high = 0.0
        for one in strata:
            interval = exact_interval(one.defects, one.judged, confidence)
            self.low += one.inspections * interval.low
            self.high += one.inspections * interval.high
            if one.judged == 0:
                self.value = None
            elif self.value is not None:
                self.value += one.inspections * one.defects / one.judged

    def good(self) -> _Defects:
        """The number of good parts in the same strata."""
        other = _Defects((), 1)
        other.size = self.size
        other.value = None if self.value is None else self.size - self.value
        other.low, other.high = self.size - self.high, self.size - self.low
        return other

    def __add__(self, further: _Defects) -> _Defects:
        both = _Defects((), 1)
        both.size = self.size + further.size
        both.low, both.high = self.low + further.low, self.high + further.high
        unknown = self.value is None or further.value is None
        both.value = None if unknown else (self.value or 0.0) + (further.value or 0.0)
        return both


def _size(strata: Iterable[Stratum]) -> int:
    return sum(one.inspections for one in strata)


def _share(part: _Defects, whole: int) -> EstimatedShare:
    if whole == 0:
        return EstimatedShare(None, UNKNOWN)
    value = None if part.value is None else part.value / whole
    return EstimatedShare(value, _clipped(part.low / whole, part.high / whole))


def _of_both(part: _Defects, other: _Defects) -> EstimatedShare:
    """The share of `part` in both: it rises with `part` and falls with `other`."""
    value = None
    if part.value is not None and other.value is not None and part.value + other.value > 0:
        value = part.value / (part.value + other.value)
    low = part.low / (part.low + other.high) if part.low > 0 else 0.0
    high = part.high / (part.high + other.low) if part.high + other.low > 0 else 1.0
    return EstimatedShare(value, _clipped(low, high))


def _clipped(low: float, high: float) -> ShareInterval:
    return ShareInterval(min(1.0, max(0.0, low)), min(1.0, max(0.0, high)))


def _counts(rejects: Sequence[Stratum], passes: Sequence[Stratum]) -> JudgedCounts:
    return JudgedCounts(
        true_rejects=sum(one.defects + one.defects_by_hand for one in rejects),
        false_rejects=sum(one.good + one.good_by_hand for one in rejects),
        slips=sum(one.defects + one.defects_by_hand for one in passes),
        true_passes=sum(one.good + one.good_by_hand for one in passes),
        unsure=sum(one.unsure for one in (*rejects, *passes)),
    )


def _limits(rejects: Sequence[Stratum], passes: Sequence[Stratum]) -> Iterable[str]:
    """What cannot be told, and what the figures suppose."""
    for strata, name in ((rejects, "rejects"), (passes, "passes")):
        for one in strata:
            if one.judged == 0:
                yield f"{_words(one, name)} is judged: what they are is not known at all"
    kept = sum(one.kept for one in (*rejects, *passes))
    judged = sum(one.judged for one in (*rejects, *passes))
    if 0 < judged < kept:
        yield (
            f"{judged} of {kept} kept pictures {'is' if judged == 1 else 'are'} judged; the rates "
            "suppose that they were taken as they came, and not the odd ones first"
        )
    unsure = sum(one.unsure for one in (*rejects, *passes))
    if unsure:
        yield f"{unsure} judged unsure {'is' if unsure == 1 else 'are'} in no rate"
    by_hand = sum(one.good_by_hand + one.defects_by_hand for one in (*rejects, *passes))
    if by_hand:
        yield (
            f"{by_hand} {'was' if by_hand == 1 else 'were'} judged whose pictures neither a rule "
            "nor chance has chosen: somebody did, so that is counted and is in no rate"
        )


def _words(stratum: Stratum, name: str) -> str:
    said = {
        "reject": "kept as rejects",
        "near": "kept as near the threshold",
        "rest": "not near the threshold" if name == "passes" else "not kept as rejects",
    }
    return f"{name} {said[stratum.layer]}: none of {stratum.inspections}"
