"""Results -> the tables, in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.peers.assets import HEIGHTS
from benchmarks.peers.figures import LEAST_RATIO, QUIET, Cell, Side, misses
from benchmarks.peers.results import Result
from benchmarks.peers.systems import CONTROL, OURS, OURS_KEYS, OURS_WHOLE

MODELS = ("tiny", "null")
MINE = (OURS, OURS_WHOLE, OURS_KEYS)
MET, MISSED, NOISY, NOTHING = "✓", "✗", "~", "–"

Row = Mapping[int, Cell]
"""A system's cells of one table, by the number of clients."""


def report(results: Sequence[Result]) -> str:
    """All tables, and what Takt falls short of."""
    parts = []
    for model in MODELS:
        for width, height in HEIGHTS.items():
            rows = {result.name: _row(result, model, width) for result in results}
            rows = {name: row for name, row in rows.items() if row}
            if rows:
                parts += [f"### {model}.onnx, {width} × {height}", _table(rows, results)]
    parts += ["### Bars", _bars(results), *_remarks(results)]
    parts += ["### Start, memory, idle, scores", _facts(results)]
    parts += ["### Versions", _versions(results)]
    return "\n\n".join(parts) + "\n"


def _row(result: Result, model: str, width: int) -> Row:
    cells = (cell for cell in result.cells if (cell.key.model, cell.key.width) == (model, width))
    return {cell.key.clients: cell for cell in cells}


def _table(rows: Mapping[str, Row], results: Sequence[Result]) -> str:
    clients = sorted({count for row in rows.values() for count in row})
    mine = {result.name for result in results if result.system in MINE}
    head = [f"c={count}: ratio (range), p50 / p99 ms, CPU ms" for count in clients]
    lines = [["system", *head, "errors"]]
    for name in sorted(rows, key=lambda name: _best(rows[name]), reverse=True):
        row = rows[name]
        errors = sum(cell.peer.errors for cell in row.values())
        entries = [
            _entry(row[count], results, judged=name in mine) if count in row else NOTHING
            for count in clients
        ]
        lines.append([f"**{name}**" if name in mine else name, *entries, str(errors)])
    sides = [[row[count].control for row in rows.values() if count in row] for count in clients]
    errors = sum(side.errors for column in sides for side in column)
    lines.append(["*control, the median of its runs*", *map(_control, sides), str(errors)])
    if mine & rows.keys():
        model = next(iter(next(iter(rows.values())).values())).key.model
        lines.append(["*bar for Takt*", *(_bar(model, count) for count in clients), "0"])
    return _markdown(lines)


def _best(row: Row) -> float:
    return max(cell.ratio for cell in row.values())


def _entry(cell: Cell, results: Sequence[Result], *, judged: bool) -> str:
    ratio = f"{cell.ratio:.2f}"
    if judged:
        ratio = f"**{ratio}** {MISSED if misses(cell, _rivals(cell, results)) else MET}"
    if cell.noise >= QUIET:
        ratio += f" {NOISY}"
    peer, lowest, highest = cell.peer, cell.ratio_low, cell.ratio_high
    ratio += f" ({lowest:.2f} to {highest:.2f})"
    return f"{ratio}, {peer.p50_ms:.1f} / {peer.p99_ms:.1f}, {peer.cpu_ms:.2f}"


def _bar(model: str, clients: int) -> str:
    least = LEAST_RATIO.get((model, clients))
    return NOTHING if least is None else f"≥ {least:.2f}"


def _control(sides: Sequence[Side]) -> str:
    """The one in the middle, with its rate and the range of all."""
    rates = [side.rate_per_s for side in sides]
    middle = sides[rates.index(statistics.median_low(rates))]
    return (
        f"{middle.rate_per_s:.0f}/s ({min(rates):.0f} to {max(rates):.0f}), "
        f"{middle.p50_ms:.1f} / {middle.p99_ms:.1f}, {middle.cpu_ms:.2f}"
    )


def _rivals(cell: Cell, results: Sequence[Result]) -> list[tuple[str, Cell]]:
    """The same cell of the systems that are not Takt."""
    return [
        (result.name, other)
        for result in results
        if result.system not in MINE
        for other in result.cells
        if other.key == cell.key
    ]


def _bars(results: Sequence[Result]) -> str:
    judged = [result for result in results if result.system in MINE]
    others = ", ".join(result.name for result in results if result.system not in MINE)
    if not judged:
        return "Takt was not measured."
    lines = [
        f"Beside {others or 'no other system'}. {MISSED} in the tables: misses a bar; {NOISY}: "
        f"other work took {QUIET:.0%} of the machine or more, so that the cell tells little."
    ]
    for result in judged:
        found = {cell.key: misses(cell, _rivals(cell, results)) for cell in result.cells}
        met = sum(not missed for missed in found.values())
        lines.append(f"- **{result.name}** meets every bar in {met} of {len(found)} cells")
        for key, missed in sorted(found.items()):
            where = f"{key.model} {key.width}, c={key.clients}"
            lines += [f"  - {where}: {miss}" for miss in missed]
    return "\n".join([lines[0], "", *lines[1:]])


def _remarks(results: Sequence[Result]) -> list[str]:
    return [f"**{result.name}** {result.remark}." for result in results if result.remark]


def _facts(results: Iterable[Result]) -> str:
    head = "system", "model", "start to first answer, s", "PSS then, MiB", "PSS after load, MiB"
    lines = [[*head, "idle, % of one core", "score's difference from the control's"]]
    for result in results:
        for facts in result.facts:
            differences = [f"{100 * s.difference:.2f} % at {s.width}" for s in facts.scores]
            lines.append(
                [
                    result.name,
                    facts.model,
                    f"{facts.start_s:.1f}",
                    f"{facts.fresh_mib:.0f}",
                    f"{facts.loaded_mib:.0f}",
                    f"{100 * facts.idle_share:.1f}",
                    ", ".join(differences),
                ]
            )
    return _markdown(lines)


def _versions(results: Iterable[Result]) -> str:
    lines = [["system", "measured", "packages"]]
    controls: dict[str, str] = {}
    for result in results:
        for system, found in result.versions.items():
            text = ", ".join(f"{name} {version}" for name, version in found.items())
            if system == CONTROL:
                controls[text] = result.measured_at
            else:
                lines.append([result.name, result.measured_at, text])
    lines += [[CONTROL, measured_at, text] for text, measured_at in controls.items()]
    return _markdown(lines)


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *rest = ("| " + " | ".join(line) + " |" for line in lines)
    return "\n".join([head, "|" + "---|" * len(lines[0]), *rest])
