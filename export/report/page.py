"""An evaluation as one HTML file that needs nothing else: to be read, printed and passed on."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from scipy.stats import binomtest

from export.evaluation.evaluate import Evaluation
from export.evaluation.metrics import DetectionMetrics
from export.evaluation.record import EvaluationContext
from export.report.cases import Case
from export.report.charts import Curve, ScoreHistogram, ranking_curves, score_histogram
from export.report.evaluation_table import SYNTHETIC_NOTICE, compared_at
from export.wording import number


@dataclass(frozen=True)
class Share:
    """A share of the pictures at hand, and where that of many such pictures lies.

    Attributes:
        name: what the share says.
        part: number of pictures, 0..whole.
        whole: number of pictures, at least 1.
        low: lower end of the interval with 95 % confidence, 0..1.
        high: upper end, 0..1.
    """

    name: str
    part: int
    whole: int
    low: float
    high: float


@dataclass(frozen=True)
class Section:
    """What the page shows of one group of defects.

    Attributes:
        metrics: of the group.
        histogram: scores of good pictures and of the group's.
        shares: at the deployed threshold.
        curves: ROC, and precision over recall; None without both good and defective pictures.
    """

    metrics: DetectionMetrics
    histogram: ScoreHistogram
    shares: tuple[Share, ...]
    curves: tuple[Curve, Curve] | None


def report_html(result: Evaluation, context: EvaluationContext, cases: Sequence[Case]) -> str:
    """The whole page; it loads nothing, and every name in it is escaped."""
    return (
        templates()
        .get_template("page.html")
        .render(
            result=result,
            context=context,
            manifest=context.manifest,
            sections=[_section(group, result) for group in result.groups],
            cases=cases,
            compared_at=compared_at(result.pixel_side),
            synthetic_notice=SYNTHETIC_NOTICE,
            versions=", ".join(f"{name} {v}" for name, v in context.versions.items()),
        )
    )


def templates() -> Environment:
    """The page's templates; what they insert is escaped."""
    environment = Environment(
        loader=PackageLoader("export.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    environment.filters["number"] = number
    return environment


def _section(group: DetectionMetrics, result: Evaluation) -> Section:
    good = [one.score for one in result.pictures if one.sample.defect is None]
    defective = [
        one.score
        for one in result.pictures
        if one.sample.defect is not None and one.sample.synthetic == group.synthetic
    ]
    counts = group.confusion
    shares = [
        ("found (recall)", counts.true_positive, group.defective),
        ("falsely rejected", counts.false_positive, group.good),
        ("precision", counts.true_positive, counts.true_positive + counts.false_positive),
    ]
    return Section(
        metrics=group,
        histogram=score_histogram(good, defective, result.threshold),
        shares=tuple(share_of(*share) for share in shares if share[-1]),
        curves=ranking_curves(good, defective, counts) if good and defective else None,
    )


def share_of(name: str, part: int, whole: int) -> Share:
    """A share with Wilson's score interval, which also holds near 0 and 1."""
    interval = binomtest(part, whole).proportion_ci(method="wilson")
    return Share(name, part, whole, float(interval.low), float(interval.high))
