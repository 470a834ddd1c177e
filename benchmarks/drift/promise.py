"""How often honest models are accused of breaking their promise, and how soon others are.

    python -m benchmarks.drift.promise [--models 500] [--seed 1]

An honest `conformal` model has its threshold from n = 400 good pictures, drawn anew for each, at
α = 1 %: the share of good parts that it rejects is Beta(4, 397)-distributed, and it sees 50,000
good parts. A bad one rejects three times α, and sees 5,000. Each model is told from its own stream,
part by part, with an alarm at any time. Scores are ranks: a conformal threshold asks for no more.

Ends with 1 where more than 5 % of the honest models are accused, or less than 95 % of the others.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.conformal import conformal_rank, conformal_threshold
from takt.core.intervals import exact_interval
from takt.watching.promise import (
    LIMIT,
    between,
    promised_share,
    stakes_at,
    unplaced_after,
    worth_of,
)

PICTURES, ALPHA, TIMES = 400, 0.01, 3
HONEST_PARTS, BAD_PARTS = 50_000, 5_000


def accused_at(
    shares: NDArray[np.float64], promised: float, parts: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The part with which each model is accused, or -1, and how many parts it rejected [models].

    As `PromiseTest` has it, for many models at once.
    """
    worth = worth_of(promised)
    evidence = np.zeros((len(shares), worth.shape[1]))
    first, rejected = (np.full(len(shares), start, np.int64) for start in (-1, 0))
    for part in range(parts):
        hit = (rng.random(len(shares)) < shares).astype(np.int64)
        evidence = (evidence + stakes_at(part)) * worth[hit]
        accused = evidence.sum(axis=1) + unplaced_after(part + 1) >= LIMIT
        first[accused & (first < 0)] = part
        rejected += hit
    return first, rejected


def honest_shares(models: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """The share of good parts that each of so many calibrations rejects: of scores in [0, 1]."""
    scores = rng.random((models, PICTURES))
    return np.array([1 - conformal_threshold(one, ALPHA) for one in scores])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    promised = promised_share(PICTURES, conformal_rank(PICTURES, ALPHA))
    print(f"n = {PICTURES}, alpha = {ALPHA:.0%}: up to {promised:.2%} keeps the promise")

    shares = honest_shares(given.models, rng)
    first, rejected = accused_at(shares, promised, HONEST_PARTS, rng)
    honest = int((first >= 0).sum())
    print(f"honest models, {HONEST_PARTS:,} parts: {_said(honest, given.models)} accused")
    print(f"  of them rejecting more than promised: {int((shares > promised).sum())} models")
    found = [between(int(k), HONEST_PARTS) for k in rejected.tolist()]
    held = sum(one.low <= share <= one.high for one, share in zip(found, shares, strict=True))
    print(f"  their share lies in its interval at the end: {_said(held, given.models)}")

    bad = np.full(given.models, TIMES * ALPHA)
    first, _ = accused_at(bad, promised, BAD_PARTS, rng)
    caught = int((first >= 0).sum())
    median = np.median(first[first >= 0]) if caught else float("nan")
    print(f"models at {TIMES} alpha, {BAD_PARTS:,} parts: {_said(caught, given.models)} accused")
    print(f"  half of those within {median:,.0f} parts")
    if honest > 0.05 * given.models or caught < 0.95 * given.models:
        raise SystemExit(1)


def _said(count: int, of: int) -> str:
    interval = exact_interval(count, of)
    return f"{count} of {of}, {count / of:.1%} ({interval.low:.1%} to {interval.high:.1%})"


if __name__ == "__main__":
    main()
