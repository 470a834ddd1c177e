"""The table of a result, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from benchmarks.corpus.figures import SetFigures

NONE = "–"


@dataclass(frozen=True)
class Column:
    """A figure of each set.

    Attributes:
        title: at its head.
        of: the figure of a set; None if it has none, and then no summary counts the set.
        form: of its numbers.
        high_is_good: whether the lowest one is the worst.
    """

    title: str
    of: Callable[[SetFigures], float | None]
    form: str
    high_is_good: bool = True


COLUMNS = (
    Column("image AUROC", lambda one: one.image_auroc, ".4f"),
    Column("pixel AUROC", lambda one: one.mean(lambda seed: seed.pixel_auroc), ".3f"),
    Column("AUPRO 30 %", lambda one: one.mean(lambda seed: seed.aupro_30), ".3f"),
    Column("found at 5 %", lambda one: one.found(0.05), ".1%"),
    Column("rejected at 5 %", lambda one: one.rejected(0.05), ".1%", high_is_good=False),
    Column("found at 1 %", lambda one: one.found(0.01), ".1%"),
    Column("rejected at 1 %", lambda one: one.rejected(0.01), ".1%", high_is_good=False),
    Column("fit, core s", lambda one: one.mean(lambda seed: seed.fit_s), ".1f", high_is_good=False),
    Column("peak, MB", lambda one: one.peak_mb, ".0f", high_is_good=False),
    Column("p50, ms", lambda one: one.p50_ms, ".1f", high_is_good=False),
)


def table(sets: Sequence[SetFigures]) -> str:
    """A row for each set, then mean, median, worst and worst but one of each column.

    At 1 % only sets with 99 out-of-fold scores or more have figures, and count.
    """
    columns = [one for one in COLUMNS if any(one.of(row) is not None for row in sets)]
    rows = [
        [
            one.name,
            f"{one.good} + {one.tested_good}",
            str(one.defective),
            one.size,
            "other" if one.other_time else "",
            *(_cell(column.of(one), column.form) for column in columns),
        ]
        for one in sets
    ]
    summaries: dict[str, Callable[[list[float]], float]] = {
        "mean": fmean,
        "median": median,
        "worst": lambda ordered: ordered[0],
        "worst but one": lambda ordered: ordered[min(1, len(ordered) - 1)],
    }
    for name, summary in summaries.items():
        cells = []
        for column in columns:
            values = [value for one in sets if (value := column.of(one)) is not None]
            values.sort(reverse=not column.high_is_good)
            cells.append(_cell(summary(values), column.form))
        rows.append([f"**{name}**", "", "", "", "", *cells])
    head = ["set", "good, fitted + tested", "defective", "input", "time"]
    return markdown([*head, *(one.title for one in columns)], rows)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form).replace("%", " %")
