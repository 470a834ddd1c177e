"""Chooses the best candidate, and drops those that can no longer be the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from takt.commands.tune.results import MeasuredCandidate
from takt.core.errors import ConfigurationError

TIE = 0.03
"""Share by which two rates may differ and still count as equal."""

PROMISING = 0.7
"""Share of the best rate so far; a candidate below it is not run again."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The best candidate, and the reason why, for people."""

    best: MeasuredCandidate
    why: str


def promising(
    measured: Sequence[MeasuredCandidate], target_ms: float | None
) -> tuple[MeasuredCandidate, ...]:
    """Candidates that may still become the best; all, as long as none keeps the target."""
    rates = [one.images_per_s for one in measured if one.keeps(target_ms)]
    least = PROMISING * max(rates, default=0.0)
    return tuple(one for one in measured if one.images_per_s >= least)


def choose(measured: Sequence[MeasuredCandidate], target_ms: float | None) -> Choice | None:
    """Candidate with the most images/s within the target; the lower p99 decides a tie.

    Args:
        measured: the measured candidates.
        target_ms: largest p99 allowed; None for no limit.

    Returns:
        The choice; None if no candidate keeps the target, and `why_none` says why.
    """
    keeping = [one for one in measured if one.keeps(target_ms)]
    if not keeping:
        return None
    fastest = max(keeping, key=lambda one: one.images_per_s)
    tied = [one for one in keeping if one.images_per_s >= (1 - TIE) * fastest.images_per_s]
    best = min(tied, key=lambda one: one.p99_ms)
    within = "" if target_ms is None else f" within a p99 of {target_ms:g} ms"
    if best is fastest:
        return Choice(best, f"the most images/s{within}")
    return Choice(
        best,
        f"a lower p99 than {fastest.candidate}, whose images/s{within} are more by "
        f"{TIE:.0%} at most",
    )


def why_none(measured: Sequence[MeasuredCandidate], target_ms: float | None) -> ConfigurationError:
    """Error that says why there is no choice, and which candidate comes nearest to the target."""
    if not measured or target_ms is None:
        return ConfigurationError(
            "no engine of this host can run the bundle; `takt doctor` tells what is missing"
        )
    nearest = min(measured, key=lambda one: one.p99_ms)
    return ConfigurationError(
        f"none keeps a p99 of {target_ms:g} ms, and nothing was written; nearest comes "
        f"{nearest.candidate}, with {nearest.p99_ms:.1f} ms"
    )
