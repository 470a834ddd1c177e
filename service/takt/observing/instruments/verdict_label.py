"""The word by which a verdict is counted, logged and traced."""

from __future__ import annotations

from typing import Literal, get_args

from takt.core.domain import Verdict

VerdictLabel = Literal["good", "anomalous", "undecided"]
"""`anomalous` stands for a defect: dashboards knew the word before there was a third verdict."""

VERDICT_LABELS: tuple[VerdictLabel, ...] = get_args(VerdictLabel)


def verdict_label(verdict: Verdict) -> VerdictLabel:
    """The word for a verdict.

    >>> verdict_label(Verdict(True, 2.0, 1.0, None, ()))
    'anomalous'
    """
    if verdict.undecided is not None:
        return "undecided"
    return "anomalous" if verdict.anomalous else "good"
