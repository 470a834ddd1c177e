"""The tables of the comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean, median

from benchmarks.corpus.peers.detectors import DETECTORS
from benchmarks.corpus.peers.outcomes import Ask, Outcome
from benchmarks.corpus.peers.worlds import WORLDS
from benchmarks.corpus.table import NONE, markdown
from takt.core.bundles.conformal import needed_for
from takt.core.bundles.thresholds import ThresholdPair

ALPHAS = (0.05, 0.01)
HEAD = ["AUROC", "own threshold", *(f"ours at {alpha:.0%}" for alpha in ALPHAS)]

Outcomes = Mapping[tuple[str, str, str], Outcome]
"""By set, world and detector."""


Cell = float | tuple[float, float] | None
"""An AUROC, or rejected and found."""

Column = Callable[[Outcome | None], Cell]


def kept(every: Sequence[Ask]) -> Outcomes:
    """The outcomes on disk."""
    return {
        (ask.task.root.name, ask.world, ask.detector): Outcome.loaded(ask.path)
        for ask in every
        if ask.path.is_file()
    }


def report(found: Outcomes, sets: Sequence[str]) -> str:
    """All tables."""
    parts = [_means(found, sets), _costs(found)]
    parts += [f"**{world.capitalize()}**\n\n{_of_sets(found, sets, world)}" for world in WORLDS]
    return "\n\n".join(parts)


def _means(found: Outcomes, sets: Sequence[str]) -> str:
    """Means over the sets in which every detector has such thresholds."""
    rows = []
    for world in WORLDS:
        for detector in DETECTORS:
            cells = []
            for column in _columns():
                mine = _comparable(found, sets, world, column).get(detector, [])
                cells.append(f"{_mean_of(mine)} ({len(mine)})" if mine else NONE)
            rows.append([world, detector, *cells])
    return markdown(["world", "detector", *HEAD], rows)


def _comparable(
    found: Outcomes, sets: Sequence[str], world: str, column: Column
) -> dict[str, list[Cell]]:
    """The cells of each detector that has any, of the sets in which all of these have one."""
    cells = {one: [column(found.get((name, world, one))) for name in sets] for one in DETECTORS}
    some = {one: row for one, row in cells.items() if any(cell is not None for cell in row)}
    whole = [
        number
        for number in range(len(sets))
        if all(row[number] is not None for row in some.values())
    ]
    return {one: [row[number] for number in whole] for one, row in some.items()}


def _of_sets(found: Outcomes, sets: Sequence[str], world: str) -> str:
    rows = []
    for name in sets:
        outcomes = [found.get((name, world, detector)) for detector in DETECTORS]
        if not any(outcomes):
            continue
        for detector, outcome in zip(DETECTORS, outcomes, strict=True):
            cells = [_text(column(outcome)) for column in _columns()]
            rows.append([name, detector, *_with_reasons(cells, outcome)])
    return markdown(["set", "detector", *HEAD], rows)


def _with_reasons(cells: list[str], outcome: Outcome | None) -> Iterator[str]:
    """The cells; an empty one says why."""
    for number, cell in enumerate(cells):
        if cell != NONE:
            yield cell
        elif outcome is None or outcome.answer is None:
            yield "not asked"
        elif number == 1:
            yield "is ours"
        else:
            good, alpha = len(outcome.answer.good[0]), ALPHAS[number - 2]
            yield f"{good} of {needed_for(alpha)} good pictures"


def _columns() -> list[Column]:
    def auroc(outcome: Outcome | None) -> Cell:
        return None if outcome is None else outcome.auroc

    def own(outcome: Outcome | None) -> Cell:
        if outcome is None or outcome.answer is None or outcome.answer.own is None:
            return None
        return _shares(outcome, ThresholdPair(outcome.answer.own, outcome.answer.own))

    def ours(alpha: float) -> Column:
        def at(outcome: Outcome | None) -> Cell:
            if outcome is None or outcome.answer is None:
                return None
            pair = outcome.answer.thresholds(alpha)
            return None if pair is None else _shares(outcome, pair)

        return at

    return [auroc, own, *(ours(alpha) for alpha in ALPHAS)]


def _shares(outcome: Outcome, pair: ThresholdPair) -> tuple[float, float]:
    shares = outcome.shares(pair)
    return shares.rejected, shares.found


def _mean_of(cells: Sequence[Cell]) -> str:
    pairs = [cell for cell in cells if isinstance(cell, tuple)]
    if pairs:
        return _text((fmean(one for one, _ in pairs), fmean(one for _, one in pairs)))
    return _text(fmean(cell for cell in cells if isinstance(cell, float)))


def _text(cell: Cell) -> str:
    if cell is None:
        return NONE
    if isinstance(cell, float):
        return f"{cell:.3f}"
    rejected, found = cell
    return f"{100 * rejected:.1f} / {100 * found:.1f}"


def _costs(found: Outcomes) -> str:
    """Medians over everything that a detector was asked."""
    rows = []
    for detector in DETECTORS:
        answers = [
            outcome.answer
            for (_, _, name), outcome in found.items()
            if name == detector and outcome.answer is not None
        ]
        if not answers:
            rows.append([detector, *["not asked"] * 4])
            continue
        rows.append(
            [
                detector,
                f"{median(one.learning_s for one in answers):.1f}",
                f"{median(one.ms for one in answers):.1f}",
                f"{median(one.kept_mb for one in answers):.1f}",
                f"{median(one.peak_mb for one in answers):.0f}",
            ]
        )
    head = ["detector", "learning, core s", "a picture, core ms", "kept, MB", "peak, MB"]
    return markdown(head, rows)
