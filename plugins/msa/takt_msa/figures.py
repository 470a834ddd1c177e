"""The figures of an attribute study: of each appraiser, and between appraisers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from takt_msa.intervals import FigureInterval, Proportion
from takt_msa.kappa import DecisionPair, Kappa, cohens_kappa, fleiss_kappa
from takt_msa.limits import (
    EFFECTIVENESS,
    FALSE_ALARM_RATE,
    KAPPA,
    MISS_RATE,
    Finding,
    Limit,
    Rating,
    worst_finding,
    worst_rating,
)
from takt_msa.study import FEWEST_TRIALS, Part, Study


@dataclass(frozen=True)
class Figure:
    """A figure of a study, and where it stands.

    Attributes:
        name: in words.
        estimate: what was found.
        unit: what was counted.
        limit: AIAG's; None where it has none.
    """

    name: str
    estimate: Proportion | Kappa
    unit: Literal["parts", "decisions", "pairs"]
    limit: Limit | None = None

    @property
    def value(self) -> float:
        """As it was found."""
        return self.estimate.value

    @property
    def interval(self) -> FigureInterval:
        """Where it lies with 95 % confidence."""
        return self.estimate.interval()

    @property
    def rating(self) -> Rating | None:
        """Where the value stands, as AIAG reads it; None without a limit."""
        return None if self.limit is None else self.limit.rate(self.value)

    @property
    def shown(self) -> Finding | None:
        """What the study has shown with 95 % confidence; None without a limit."""
        return None if self.limit is None else self.limit.find(self.interval)

    @property
    def parts_needed(self) -> int | None:
        """Parts that would show it acceptable, if they do as these; None if none would."""
        return None if self.limit is None else self.limit.parts_needed(self.estimate)


@dataclass(frozen=True)
class AppraiserFigures:
    """How one appraiser did.

    Attributes:
        appraiser: name.
        effectiveness: share of parts for which all trials agree with the reference.
        miss_rate: share of the decisions on defective parts that accept (slip).
        false_alarm_rate: share of the decisions on good parts that reject (pseudo rejects).
        with_reference: share of all decisions that agree with the reference.
        between_trials: share of parts for which all trials agree; None if nobody decided twice.
        kappa_reference: against the reference.
        kappa_trials: between trials of one part; None where it is not defined.

    The first three and `kappa_reference` are None only if the appraiser saw no such part.
    """

    appraiser: str
    effectiveness: Figure | None
    miss_rate: Figure | None
    false_alarm_rate: Figure | None
    with_reference: Figure | None
    between_trials: Figure | None
    kappa_reference: Figure | None
    kappa_trials: Figure | None

    @property
    def all(self) -> tuple[Figure, ...]:
        """Those that are defined."""
        found = (
            *(self.effectiveness, self.miss_rate, self.false_alarm_rate, self.kappa_reference),
            *(self.with_reference, self.between_trials, self.kappa_trials),
        )
        return tuple(figure for figure in found if figure is not None)

    @property
    def rating(self) -> Rating:
        """The worst of all."""
        return worst_rating(figure.rating for figure in self.all)

    @property
    def shown(self) -> Finding:
        """The worst of what was shown."""
        return worst_finding(figure.shown for figure in self.all)


@dataclass(frozen=True)
class PairAgreement:
    """Kappa between two appraisers."""

    first: str
    second: str
    kappa: Figure


@dataclass(frozen=True)
class BetweenAppraisers:
    """How appraisers agree with each other, on the parts that all of them decided.

    Attributes:
        agreement: share of parts for which all trials of all appraisers agree; None if there is no
            part that all decided.
        with_reference: share of parts for which they also agree with the reference.
        kappas: of each pair, on the placements that both decided.
    """

    agreement: Figure | None
    with_reference: Figure | None
    kappas: tuple[PairAgreement, ...]


def appraiser_figures(study: Study, appraiser: int) -> AppraiserFigures:
    """The figures of one of the study's appraisers.

    Args:
        study: its parts and decisions.
        appraiser: place in `study.appraisers`.
    """
    decided = [(part, part.decisions(appraiser)) for part in study.parts]
    decided = [(part, decisions) for part, decisions in decided if decisions]
    repeated = [decisions for _, decisions in decided if len(decisions) >= FEWEST_TRIALS]
    right = [[rejected == part.defective for rejected in of_part] for part, of_part in decided]
    defective = [of_part for part, of_part in decided if part.defective]
    good = [of_part for part, of_part in decided if not part.defective]
    pairs = [[DecisionPair(one, part.defective) for one in of_part] for part, of_part in decided]
    return AppraiserFigures(
        appraiser=study.appraisers[appraiser],
        effectiveness=_of_parts("effectiveness", map(all, right), EFFECTIVENESS),
        miss_rate=_of_decisions(
            "miss rate", [[not one for one in of_part] for of_part in defective], MISS_RATE
        ),
        false_alarm_rate=_of_decisions("false-alarm rate", good, FALSE_ALARM_RATE),
        with_reference=_of_decisions("right decisions", right),
        between_trials=_of_parts("parts whose trials agree", map(_alike, repeated)),
        kappa_reference=_kappa("kappa against reference", cohens_kappa(pairs), "decisions"),
        kappa_trials=_kappa("kappa between trials", fleiss_kappa(repeated), "parts"),
    )


def between_appraisers(study: Study) -> BetweenAppraisers | None:
    """How the study's appraisers agree; None if no two have decided the same placement."""
    everybody = range(len(study.appraisers))
    by_all = [
        (part, [rejected for one in everybody for rejected in part.decisions(one)])
        for part in study.parts
        if all(part.decisions(one) for one in everybody)
    ]
    kappas = tuple(
        PairAgreement(study.appraisers[first], study.appraisers[second], kappa)
        for first, second in combinations(everybody, 2)
        if (kappa := _between_two(study.parts, first, second)) is not None
    )
    if len(everybody) < 2 or not (by_all or kappas):
        return None
    return BetweenAppraisers(
        agreement=_of_parts("all agree", (_alike(made) for _, made in by_all)),
        with_reference=_of_parts(
            "all agree with reference",
            (all(one == part.defective for one in made) for part, made in by_all),
        ),
        kappas=kappas,
    )


def _between_two(parts: Sequence[Part], first: int, second: int) -> Figure | None:
    pairs = []
    for part in parts:
        both = ((trial.rejected[first], trial.rejected[second]) for trial in part.trials)
        pairs.append([DecisionPair(a, b) for a, b in both if a is not None and b is not None])
    kappa = cohens_kappa([of_part for of_part in pairs if of_part])
    return _kappa("kappa", kappa, "decisions")


def _alike(decisions: Sequence[bool]) -> bool:
    return len(set(decisions)) == 1


def _of_parts(name: str, counting: Iterable[bool], limit: Limit | None = None) -> Figure | None:
    counted = list(counting)
    if not counted:
        return None
    return Figure(name, Proportion.of_parts(counted, [1] * len(counted)), "parts", limit)


def _of_decisions(
    name: str, parts: Sequence[Sequence[bool]], limit: Limit | None = None
) -> Figure | None:
    if not parts:
        return None
    found = Proportion.of_parts([sum(part) for part in parts], [len(part) for part in parts])
    return Figure(name, found, "decisions", limit)


def _kappa(
    name: str, kappa: Kappa | None, unit: Literal["parts", "decisions", "pairs"]
) -> Figure | None:
    return None if kappa is None else Figure(name, kappa, unit, KAPPA)
