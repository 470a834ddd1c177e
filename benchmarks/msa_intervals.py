"""How often the intervals of `takt msa` hold the true value, on made-up studies.

    python -m benchmarks.msa_intervals [--studies 1000]

Each part has its own probability of a wrong decision, drawn from a beta distribution around the
true rate: at a low concentration a part is nearly always or nearly never decided wrong, so that
its trials say as much as one. Beside each interval stands the plain one: for the miss rate Clopper
and Pearson's of all decisions, as if they were independent; for kappa the percentiles of a
bootstrap over parts.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from export.msa.intervals import FigureInterval, Proportion
from export.msa.kappa import Kappa
from export.wording import aligned

RESAMPLES = 500


@dataclass(frozen=True)
class Design:
    """A study, and the inspection that it is made of."""

    defective: int
    good: int
    trials: int
    misses: float
    alarms: float
    concentration: float

    @property
    def kappa(self) -> float:
        """The true kappa at the study's mix."""
        return float(self.kappa_of(self.misses, self.alarms))

    def kappa_of(
        self, misses: float | NDArray[np.float64], alarms: float | NDArray[np.float64]
    ) -> float | NDArray[np.float64]:
        """Kappa against the reference at rates of misses and of false alarms."""
        share = self.defective / (self.defective + self.good)
        disagreeing = share * misses + (1 - share) * alarms
        rejected = share * (1 - misses) + (1 - share) * alarms
        return 1 - disagreeing / (share * (1 - rejected) + rejected * (1 - share))


def wrong_decisions(
    rng: np.random.Generator, parts: int, rate: float, design: Design
) -> NDArray[np.int64]:
    """Wrong decisions on each part."""
    own = rng.beta(rate * design.concentration, (1 - rate) * design.concentration, parts)
    return rng.binomial(design.trials, own)


def measure(design: Design, studies: int) -> list[str]:
    """A row of the table: how many of the intervals hold the true value."""
    rng = np.random.default_rng(0)
    held = np.zeros(4)
    for _ in range(studies):
        missed = wrong_decisions(rng, design.defective, design.misses, design)
        alarmed = wrong_decisions(rng, design.good, design.alarms, design)
        own = Proportion.of_parts(missed.tolist(), [design.trials] * design.defective)
        plain = binomtest(int(missed.sum()), design.defective * design.trials).proportion_ci()
        kappa, bootstrap = kappa_intervals(rng, design, missed, alarmed)
        held += [
            holds(own.interval(), design.misses),
            holds(FigureInterval(plain.low, plain.high), design.misses),
            holds(kappa, design.kappa),
            holds(bootstrap, design.kappa),
        ]
    return [
        f"{design.defective} + {design.good} x {design.trials}",
        f"{design.misses:.0%}, {design.alarms:.0%}",
        f"{design.concentration:g}",
        *(f"{100 * one / studies:.1f}" for one in held),
    ]


def kappa_intervals(
    rng: np.random.Generator,
    design: Design,
    missed: NDArray[np.int64],
    alarmed: NDArray[np.int64],
) -> tuple[FigureInterval, FigureInterval]:
    """Ours, and that of a bootstrap over the parts of each kind."""
    wrong = [*missed.tolist(), *alarmed.tolist()]
    disagreement = Proportion.of_parts(wrong, [design.trials] * len(wrong))
    rates = missed.mean() / design.trials, alarmed.mean() / design.trials
    found = float(design.kappa_of(*rates))
    share = design.defective / (design.defective + design.good)
    by_chance = disagreement.value / (1 - found) if found < 1 else 2 * share * (1 - share)
    own = Kappa(disagreement, by_chance).interval()
    drawn = [
        of_kind[rng.integers(0, len(of_kind), (RESAMPLES, len(of_kind)))].mean(1) / design.trials
        for of_kind in (missed, alarmed)
    ]
    low, high = np.quantile(design.kappa_of(drawn[0], drawn[1]), [0.025, 0.975])
    return own, FigureInterval(float(low), float(high))


def holds(interval: FigureInterval, truth: float) -> bool:
    """Whether the true value lies in an interval."""
    return interval.low <= truth <= interval.high


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    studies = parser.parse_args().studies
    head = ["parts x trials", "misses, alarms", "alike", "miss rate", "plain", "kappa", "bootstrap"]
    rows = [
        measure(Design(defective, good, trials, misses, alarms, concentration), studies)
        for defective, good, trials in ((16, 34, 3), (30, 30, 5), (100, 100, 3))
        for misses, alarms in ((0.02, 0.02), (0.06, 0.05), (0.15, 0.05))
        for concentration in (0.3, 2.0, 50.0)
    ]
    print("\n".join(aligned([head, *rows])))


if __name__ == "__main__":
    main()
