"""The analysis of a study: all figures, and what the study is of."""

from __future__ import annotations

from dataclasses import dataclass

from takt_msa.figures import (
    AppraiserFigures,
    BetweenAppraisers,
    appraiser_figures,
    between_appraisers,
)
from takt_msa.scores import ScoreSpread, score_spread
from takt_msa.study import Study


@dataclass(frozen=True)
class StudyFact:
    """Something about the study's object, for the reader of the report."""

    name: str
    value: str


@dataclass(frozen=True)
class StudyContext:
    """What was studied, and when.

    Attributes:
        title: of the inspection, such as a model and its version.
        source: where parts and decisions come from, in words.
        analysed_at: time in UTC, ISO 8601.
        facts: further ones.
    """

    title: str
    source: str
    analysed_at: str
    facts: tuple[StudyFact, ...]


@dataclass(frozen=True)
class StudyAnalysis:
    """All figures of a study.

    Attributes:
        study: parts and decisions.
        appraisers: figures of each, in the study's order.
        between: how they agree; None if no two have decided the same placement.
        scores: how far they spread.
    """

    study: Study
    appraisers: tuple[AppraiserFigures, ...]
    between: BetweenAppraisers | None
    scores: ScoreSpread

    @property
    def inspection(self) -> AppraiserFigures:
        """Figures of the inspection under study, the first appraiser."""
        return self.appraisers[0]


def analyse(study: Study) -> StudyAnalysis:
    """Compute all figures of a study."""
    return StudyAnalysis(
        study=study,
        appraisers=tuple(
            appraiser_figures(study, appraiser) for appraiser in range(len(study.appraisers))
        ),
        between=between_appraisers(study),
        scores=score_spread(study),
    )
