"""Which candidate is the best, and which can no longer be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.commands.tune.results import Measured
from service.errors import ConfigurationError

TIE = 0.03
"""Rates that differ by less than this share are taken for the same."""

PROMISING = 0.7
"""Of the best rate so far: what is slower is not run again."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The best candidate, and why it is."""

    best: Measured
    why: str


def promising(measured: Sequence[Measured], target_ms: float | None) -> tuple[Measured, ...]:
    """Those that may still turn out to be the best; all, while none keeps the target."""
    rates = [one.images_per_s for one in measured if one.keeps(target_ms)]
    least = PROMISING * max(rates, default=0.0)
    return tuple(one for one in measured if one.images_per_s >= least)


def choose(measured: Sequence[Measured], target_ms: float | None) -> Choice | None:
    """The most images/s among those that keep the target; the lower p99 decides a tie.

    Args:
        measured: what was.
        target_ms: that the p99 is to keep, if any.

    Returns:
        None if there is none; `why_none` tells why.
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


def why_none(measured: Sequence[Measured], target_ms: float | None) -> ConfigurationError:
    """Why there is no choice: nothing runs, or none keeps the target; says what comes nearest."""
    if not measured or target_ms is None:
        return ConfigurationError(
            "no engine of this host can run the bundle; `takt doctor` tells what is missing"
        )
    nearest = min(measured, key=lambda one: one.p99_ms)
    return ConfigurationError(
        f"none keeps a p99 of {target_ms:g} ms, and nothing was written; nearest comes "
        f"{nearest.candidate}, with {nearest.p99_ms:.1f} ms"
    )
