"""An evaluation as one HTML file that needs nothing else: to be read, printed and passed on."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from scipy.stats import binomtest

from takt_export.evaluation.evaluate import Evaluation
from takt_export.evaluation.metrics import DetectionMetrics
from takt_export.evaluation.record import EvaluationContext
from takt_export.report.cases import Case
from takt_export.report.charts import (
    Curve,
    ScoreHistogram,
    borne_charts,
    ranking_curves,
    score_histogram,
)
from takt_export.report.evaluation_table import SYNTHETIC_NOTICE, compared_at, rate_rows
from takt_export.wording import number


@dataclass(frozen=True)
class Section:
    """What the page shows of one group of defects.

    Attributes:
        metrics: of the group.
        histogram: scores of good pictures and of the group's.
        curves: ROC, and precision over recall; None without both good and defective pictures.
    """

    metrics: DetectionMetrics
    histogram: ScoreHistogram
    curves: tuple[Curve, Curve] | None


def report_html(result: Evaluation, context: EvaluationContext, cases: Sequence[Case]) -> str:
    """The whole page; it loads nothing, and every name in it is escaped."""
    page = templates().get_template("page.html")
    tested = context.manifest.self_test
    bears = None if tested is None else tested.bears
    return page.render(
        result=result,
        context=context,
        manifest=context.manifest,
        sections=[_section(group, result) for group in result.groups],
        cases=cases,
        bears=bears,
        charts=() if bears is None else borne_charts(bears),
        compared_at=compared_at(result.pixel_side),
        rate_rows=rate_rows(result),
        synthetic_notice=SYNTHETIC_NOTICE,
        versions=", ".join(f"{name} {v}" for name, v in context.versions.items()),
    )


def templates(package: str = "takt_export.report") -> Environment:
    """A package's templates and, below them, those of this one; what they insert is escaped."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader("takt_export.report", "")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    environment.filters["number"] = number
    environment.globals["wilson_interval"] = wilson_interval
    return environment


def _section(group: DetectionMetrics, result: Evaluation) -> Section:
    good = [one.score for one in result.pictures if one.sample.defect is None]
    defective = [
        one.score
        for one in result.pictures
        if one.sample.defect is not None and one.sample.synthetic == group.synthetic
    ]
    return Section(
        metrics=group,
        histogram=score_histogram(good, defective, result.threshold),
        curves=ranking_curves(good, defective, group.confusion) if good and defective else None,
    )


def wilson_interval(part: int, whole: int) -> tuple[float, float]:
    """Interval that holds a share of many pictures with 95 % confidence, given a share of few.

    Wilson's score interval also holds near 0 and 1.

    >>> low, high = wilson_interval(5, 10)
    >>> f"{low:.1%} to {high:.1%}"
    '23.7% to 76.3%'
    """
    interval = binomtest(part, whole).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
