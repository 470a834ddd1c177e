"""An analysis as one HTML file that needs nothing else: to be read, printed and passed on."""

from __future__ import annotations

from dataclasses import dataclass

from takt_export.report.page import templates
from takt_msa.analysis import StudyAnalysis, StudyContext
from takt_msa.intervals import Proportion
from takt_msa.limits import EFFECTIVENESS, FALSE_ALARM_RATE, MISS_RATE
from takt_msa.report.strip import score_strip
from takt_msa.report.wording import (
    counted_text,
    interval_text,
    limit_text,
    needed_text,
    value_text,
)

NEAREST = 20
"""Parts that the report lists, those that flip first."""


def study_html(analysis: StudyAnalysis, context: StudyContext) -> str:
    """The whole page; it loads nothing, and every name in it is escaped."""
    environment = templates("takt_msa.report")
    environment.filters |= {
        "value": value_text,
        "interval": interval_text,
        "counted": counted_text,
        "limits": limit_text,
        "needed": needed_text,
    }
    return environment.get_template("study.html").render(
        analysis=analysis,
        study=analysis.study,
        inspection=analysis.inspection,
        between=analysis.between,
        scores=analysis.scores,
        nearest=analysis.scores.nearest(NEAREST),
        strip=score_strip(analysis.scores),
        context=context,
        faultless=faultless_parts(),
    )


@dataclass(frozen=True)
class FaultlessParts:
    """How many parts it takes to show that a limit is met, if no decision is wrong."""

    parts: int | None
    what: str


def faultless_parts() -> tuple[FaultlessParts, ...]:
    """For each limit of a share.

    >>> [one.parts for one in faultless_parts()]
    [36, 72, 183]
    """
    right, wrong = Proportion(1, 1, 1, 1), Proportion(0, 1, 1, 1)
    return (
        FaultlessParts(EFFECTIVENESS.parts_needed(right), "parts that are all decided right"),
        FaultlessParts(FALSE_ALARM_RATE.parts_needed(wrong), "good parts without a false alarm"),
        FaultlessParts(MISS_RATE.parts_needed(wrong), "defective parts without a miss"),
    )
