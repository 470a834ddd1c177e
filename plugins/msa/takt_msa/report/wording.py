"""The figures of a study in words, for the terminal and the page."""

from __future__ import annotations

from takt_msa.figures import Figure
from takt_msa.kappa import Kappa
from takt_msa.limits import MOST_PARTS, Limit


def value_text(figure: Figure) -> str:
    """The value: a percentage, or a kappa with two decimals."""
    if isinstance(figure.estimate, Kappa):
        return f"{figure.value:.2f}"
    return f"{100 * figure.value:.1f} %"


def interval_text(figure: Figure) -> str:
    """Its interval, such as `70.9 to 92.8 %`."""
    low, high = figure.interval.low, figure.interval.high
    if isinstance(figure.estimate, Kappa):
        return f"{low:.2f} to {high:.2f}"
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def counted_text(figure: Figure) -> str:
    """What it was counted from, such as `42 of 50 parts`."""
    estimate = figure.estimate
    if isinstance(estimate, Kappa):
        return f"{estimate.parts} parts"
    return f"{estimate.count:g} of {estimate.of:g} {figure.unit}"


def limit_text(figure: Figure) -> str:
    """AIAG's limits, acceptable and marginal, such as `≥ 90 / 80 %`; empty without any."""
    limit = figure.limit
    if limit is None:
        return ""
    sign = "≥" if limit.least else "≤"
    if isinstance(figure.estimate, Kappa):
        return f"{sign} {limit.acceptable:.2f} / {limit.marginal:.2f}"
    return f"{sign} {100 * limit.acceptable:g} / {100 * limit.marginal:g} %"


def needed_text(figure: Figure) -> str:
    """How many parts would show that the figure is acceptable; empty if they are there."""
    limit: Limit | None = figure.limit
    if limit is None or figure.shown == "acceptable":
        return ""
    if figure.rating != "acceptable":
        return "no number"
    needed = figure.parts_needed
    kind = {"miss rate": "defective parts", "false-alarm rate": "good parts"}.get(
        figure.name, "parts"
    )
    return f"over {MOST_PARTS:,} {kind}" if needed is None else f"{needed:,} {kind}"
