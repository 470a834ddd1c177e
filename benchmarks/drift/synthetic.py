"""False alarms and delays of the watch on made-up facts.

    python -m benchmarks.drift.synthetic [--streams 200] [--runs 100] [--seed 1]

Twelve facts, of which the last is the score: normal ones that depend on each other, of which some
are skewed, one has heavy tails and one is nought for most pictures. Calibrations are drawn anew for
each stream. Changes begin at picture 500 and move one fact by some deviations on the scale of its
quantiles, as a shift of the normal variable behind it does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from takt.core.intervals import exact_interval
from takt.watching.calibration import PICTURES_BETWEEN, CalibratedFacts
from takt.watching.causes import CauseAlarm, CauseWatch
from takt.watching.least import least_shift

FACTS = (*(f"fact {number}" for number in range(11)), "score")
SIZES = (60, 100, 200, 400)
LENGTH, BEGINS, WITHIN, AFTER = 20_000, 500, 50, 1000

_LOADINGS = np.random.default_rng(12).normal(0, 0.4, (3, len(FACTS)))
_OWN = np.sqrt(np.maximum(0.1, 1 - (_LOADINGS**2).sum(axis=0)))

Facts = NDArray[np.float64]


def normal_facts(count: int, rng: np.random.Generator) -> Facts:
    """Normal facts of pictures that depend on each other, each of about one deviation [m, d]."""
    found = rng.normal(size=(count, 3)) @ _LOADINGS + rng.normal(size=(count, 12)) * _OWN
    return np.asarray(found / np.sqrt((_LOADINGS**2).sum(axis=0) + _OWN**2))


def as_seen(normal: Facts) -> Facts:
    """The same with other distributions, whose order stays."""
    found = normal.copy()
    found[:, 1] = np.exp(normal[:, 1])
    found[:, 2] = -np.exp(0.5 * normal[:, 2])
    found[:, 3] = np.sinh(2 * normal[:, 3])
    found[:, 4] = np.maximum(0, normal[:, 4] - 0.5)
    found[:, 5] = np.round(normal[:, 5], 1)
    found[:, -1] = np.exp(0.7 * normal[:, -1])
    return found


def moved(fact: int, deviations: float) -> Callable[[Facts, np.random.Generator], None]:
    """A change of one fact of all pictures."""

    def change(normal: Facts, rng: np.random.Generator) -> None:
        normal[:, fact] += deviations

    return change


def defective(share: float) -> Callable[[Facts, np.random.Generator], None]:
    """A share of pictures that score higher, each by as much as it does, and differ otherwise."""

    def change(normal: Facts, rng: np.random.Generator) -> None:
        bad = rng.random(len(normal)) < share
        normal[bad, -1] += rng.gamma(2, 2.5, int(bad.sum()))
        normal[bad, 0] += 1
        normal[bad, 6] += rng.normal(0, 1, int(bad.sum()))

    return change


def darker(normal: Facts, rng: np.random.Generator) -> None:
    """Three facts of all pictures move, and the score rises."""
    normal[:, [0, 6, 7]] += [-2.0, 1.0, -1.0]
    normal[:, -1] += 3


CHANGES = {
    "1 deviation": ("camera", moved(0, 1)),
    "2 deviations": ("camera", moved(0, 2)),
    "3 deviations": ("camera", moved(0, 3)),
    "2 of a skewed fact": ("camera", moved(1, -2)),
    "darker, scores rise": ("camera", darker),
    "30 % defects": ("defects", defective(0.3)),
    "only defects": ("defects", defective(1)),
}


def calibrated(size: int, rng: np.random.Generator) -> CalibratedFacts:
    """A calibration of so many pictures."""
    return CalibratedFacts(FACTS, as_seen(normal_facts(size, rng)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    for size in SIZES:
        least = least_shift(calibrated(size, rng))
        if least is not None:
            print(
                f"n = {size}: the least shift seen within {least.pictures} pictures on average is "
                f"{least.deviations:.2f} deviations, {least.share:.0%} of pictures beyond 5 %"
            )
        false_alarms(size, given.streams, rng)
        for name, (cause, change) in CHANGES.items():
            delays(size, name, cause, change, given.runs, rng)


def false_alarms(size: int, streams: int, rng: np.random.Generator) -> None:
    """Counts the streams without a change that have an alarm."""
    alarmed, begun = 0, time.perf_counter()
    for _ in range(streams):
        watch = CauseWatch(calibrated(size, rng))
        alarmed += bool(watch.see_all(as_seen(normal_facts(LENGTH, rng))))
    each_us = (time.perf_counter() - begun) / max(1, streams * LENGTH) * 1e6
    interval = exact_interval(alarmed, streams)
    print(
        f"  no change: {alarmed} of {streams} streams of {LENGTH:,} have a false alarm "
        f"({interval.low:.1%} to {interval.high:.1%}); the rule promises at most "
        f"{LENGTH / PICTURES_BETWEEN:.0%}; {each_us:.0f} us a picture"
    )


def delays(
    size: int,
    name: str,
    cause: str,
    change: Callable[[Facts, np.random.Generator], None],
    runs: int,
    rng: np.random.Generator,
) -> None:
    """Prints how soon a change is seen, how well its beginning is told, and as what."""
    seen, right, since, alarms = [], 0, [], 0
    for _ in range(runs):
        watch = CauseWatch(calibrated(size, rng))
        normal = normal_facts(BEGINS + AFTER, rng)
        change(normal[BEGINS:], rng)
        events = watch.see_all(as_seen(normal))
        raised = [one for one in events if isinstance(one, CauseAlarm)]
        alarms += len(raised)
        of_cause = [one for one in raised if one.cause == cause and one.picture >= BEGINS]
        right += bool(raised) and raised[0].cause == cause
        seen.append(of_cause[0].picture - BEGINS + 1 if of_cause else AFTER + 1)
        since += [one.since - BEGINS for one in of_cause[:1]]
    in_time = sum(one <= WITHIN for one in seen)
    middle, late = np.percentile(seen, [50, 95])
    off = np.median(np.abs(since)) if since else float("nan")
    print(
        f"  {name:20} first alarm is of {cause}: {right:3} of {runs}; within {WITHIN}: "
        f"{in_time:3}; half within {middle:.0f}, 95 % within {late:.0f}; "
        f"beginning off by {off:.0f}; {alarms / runs:.2f} alarms a run"
    )


if __name__ == "__main__":
    main()
