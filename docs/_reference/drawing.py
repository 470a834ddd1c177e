"""A scene as an SVG: a line for each signal, high or low, or with its values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from operator import attrgetter
from typing import Final

from docs._reference.timing import Moment, Scene
from takt_station.cycle.signals import ResultCode
from takt_station.plc.signals import CONTROLS, REASONS, SIGNALS, Kind, Signal

_WIDTH: Final = 860
_LEFT: Final = 214
_RIGHT: Final = 14
_TOP: Final = 40
_LANE: Final = 26
_HIGH: Final = 14
"""Of a wave within its lane."""

_CODES: Final = {
    ResultCode.NONE: "0",
    ResultCode.OK: "1 OK",
    ResultCode.NG: "2 NG",
    ResultCode.NO_DECISION: "3 no decision",
}
_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#1d2733}"
    ".small{font-size:10px;fill:#5a6673}"
    ".wave{fill:none;stroke-width:1.6}"
    ".says{stroke:#9a4a00;fill:#fdf1e4}.shows{stroke:#0b5c8a;fill:#e8f3fa}"
    ".wave.says,.wave.shows{fill:none}"
    ".at{stroke:#8893a0;stroke-dasharray:2 3}.mark{fill:#1d2733}"
    ".number{fill:#fff;font-weight:600;font-size:11px;text-anchor:middle}"
    ".tick{stroke:#c3cad2}.value{font-size:11px;text-anchor:middle}"
)


@dataclass(frozen=True, slots=True)
class _Run:
    """A value that stays for a while."""

    begin_ms: float
    end_ms: float
    value: str


def drawn(scene: Scene) -> str:
    """The scene's drawing."""
    stage = scene.played()
    signals = [next(one for one in SIGNALS if one.name == name) for name in scene.signals]
    bottom = _TOP + _LANE * len(signals)
    body = [
        *_axis(scene.end_ms, bottom),
        *(
            line
            for number, note in enumerate(stage.notes, 1)
            for line in _mark(number, _x(note.at_ms, scene.end_ms), bottom)
        ),
        *(
            line
            for lane, signal in enumerate(signals)
            for line in _lane(signal, _TOP + _LANE * lane, stage.moments, scene.end_ms)
        ),
    ]
    height = bottom + 30
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
        f' width="{_WIDTH}" height="{height}" role="img">\n'
        f"<title>{escape(scene.title)}</title>\n<style>{_STYLE}</style>\n"
        f'<rect width="{_WIDTH}" height="{height}" rx="6" fill="#fff"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _x(ms: float, end_ms: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * ms / end_ms


def _axis(end_ms: float, bottom: float) -> Iterator[str]:
    for ms in range(0, int(end_ms) + 1, 20):
        x = _x(ms, end_ms)
        yield f'<path class="tick" d="M{x:.1f} {_TOP - 4}V{bottom + 4}"/>'
        yield (
            f'<text class="small" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">'
            f"{ms}{' ms' if ms == 0 else ''}</text>"
        )


def _mark(number: int, x: float, bottom: float) -> Iterator[str]:
    yield f'<path class="at" d="M{x:.1f} 24V{bottom}"/>'
    yield f'<circle class="mark" cx="{x:.1f}" cy="16" r="8.5"/>'
    yield f'<text class="number" x="{x:.1f}" y="20">{number}</text>'


def _lane(signal: Signal, top: float, moments: list[Moment], end_ms: float) -> Iterator[str]:
    kind = "says" if signal in CONTROLS else "shows"
    base = top + _HIGH + 6
    title = signal.title.rpartition(": ")[2].capitalize() if signal.ours else signal.title
    title = title.partition(" (")[0]
    yield f'<text x="{_LEFT - 12}" y="{base - 2}" text-anchor="end">{escape(title)}</text>'
    runs = _runs(signal, moments, end_ms)
    if signal.kind is Kind.BIT:
        yield f'<path class="wave {kind}" d="{_steps(runs, base, end_ms)}"/>'
        return
    for run in runs:
        begin, end = _x(run.begin_ms, end_ms), _x(run.end_ms, end_ms)
        slant = min(3.0, (end - begin) / 2)
        middle = base - _HIGH / 2
        yield (
            f'<path class="{kind}" d="M{begin:.1f} {middle:.1f}L{begin + slant:.1f} {base - _HIGH}'
            f"H{end - slant:.1f}L{end:.1f} {middle:.1f}L{end - slant:.1f} {base}"
            f'H{begin + slant:.1f}Z"/>'
        )
        if end - begin > 6.5 * len(run.value) + 2:
            x = (begin + end) / 2
            yield f'<text class="value" x="{x:.1f}" y="{middle + 4:.1f}">{run.value}</text>'


def _steps(runs: list[_Run], base: float, end_ms: float) -> str:
    path = ""
    for run in runs:
        y = base - _HIGH if run.value == "1" else base
        path += f"{'V' if path else f'M{_x(0, end_ms):.1f} '}{y}H{_x(run.end_ms, end_ms):.1f}"
    return path


def _runs(signal: Signal, moments: list[Moment], end_ms: float) -> list[_Run]:
    runs: list[_Run] = []
    ends = [*(moment.at_ms for moment in moments[1:]), end_ms]
    for moment, end in zip(moments, ends, strict=True):
        value = _value(signal, moment)
        if runs and runs[-1].value == value:
            runs[-1] = _Run(runs[-1].begin_ms, end, value)
        else:
            runs.append(_Run(moment.at_ms, end, value))
    return runs


def _value(signal: Signal, moment: Moment) -> str:
    if signal in CONTROLS:
        return str(int(getattr(moment.controls, signal.name)))
    if signal.name.startswith("result.") and moment.status.result is None:
        return "0"
    found = attrgetter(signal.name)(moment.status)
    if signal.name == "result.code":
        return _CODES[found]
    if signal.name == "result.reason":
        return "0" if found is None else str(REASONS[found])
    return str(int(found))
