"""An analysis as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from takt.digits import short
from takt_export.wording import aligned
from takt_msa.analysis import StudyAnalysis, StudyContext
from takt_msa.figures import AppraiserFigures, BetweenAppraisers, Figure
from takt_msa.report.wording import (
    counted_text,
    interval_text,
    limit_text,
    needed_text,
    value_text,
)
from takt_msa.scores import Repeatability, ScoreSpread
from takt_msa.study import StudyNote

_HEAD = [
    *("figure", "counted", "value", "95 % interval", "limit", "by value", "shown"),
    "parts to show it",
]
_SHOWN_NAMES = 8


def study_table(analysis: StudyAnalysis, context: StudyContext) -> str:
    """Aligned lines: the figures of each appraiser, the scores, and what to know of the study."""
    return "\n".join(_lines(analysis, context))


def _lines(analysis: StudyAnalysis, context: StudyContext) -> Iterator[str]:
    study = analysis.study
    good, defective = len(study.of(defective=False)), len(study.of(defective=True))
    yield f"{context.title}: {good} good and {defective} defective parts, {study.trials} trials"
    for figures in analysis.appraisers:
        yield ""
        yield from _appraiser(figures)
    if analysis.between is not None:
        yield ""
        yield from _between(analysis.between)
    yield ""
    yield from _scores(analysis.scores)
    for note in study.notes:
        yield from _note(note)


def _appraiser(figures: AppraiserFigures) -> Iterator[str]:
    shown = f"with 95 % confidence: {figures.shown}"
    yield f"{figures.appraiser}: {figures.rating} by its values; {shown}"
    yield from aligned([_HEAD, *map(_row, figures.all)], str.ljust)


def _between(between: BetweenAppraisers) -> Iterator[str]:
    found = [one for one in (between.agreement, between.with_reference) if one is not None]
    rows = [_row(figure) for figure in found]
    rows += [
        [f"kappa of {pair.first} and {pair.second}", *_row(pair.kappa)[1:]]
        for pair in between.kappas
    ]
    yield "between appraisers"
    yield from aligned([_HEAD, *rows], str.ljust)


def _row(figure: Figure) -> list[str]:
    return [
        figure.name,
        counted_text(figure),
        value_text(figure),
        interval_text(figure),
        limit_text(figure),
        figure.rating or "",
        figure.shown or "",
        needed_text(figure),
    ]


def _scores(scores: ScoreSpread) -> Iterator[str]:
    flipping = scores.flipping
    yield f"threshold           {scores.threshold:.6g}"
    yield f"score repeats, good {_repeats(scores.good)}"
    yield f"        , defective {_repeats(scores.defective)}"
    if scores.zone is None:
        yield "zone of doubt       unknown: no part is always accepted, or none always rejected"
    else:
        zone = scores.zone
        yield (
            f"zone of doubt       {zone.low:.6g} to {zone.high:.6g}, width {short(zone.width, 3)}, "
            f"{zone.parts} parts in it"
        )
    yield f"parts that flip     {len(flipping)}" + (
        f": {_named(tuple(part.name for part in flipping))}" if flipping else ""
    )


def _repeats(found: Repeatability) -> str:
    deviation, low, high = (
        short(one, 3) for one in (found.deviation, found.interval.low, found.interval.high)
    )
    return f"standard deviation {deviation} ({low} to {high}), {found.parts} parts"


def _note(note: StudyNote) -> Iterator[str]:
    names = f": {_named(note.names)}" if note.names else ""
    yield f"{'warning' if note.grave else 'note'}: {note.text}{names}"


def _named(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more
