"""A line on the terminal that tells how the run is going."""

from __future__ import annotations

import asyncio
from typing import TextIO

import numpy as np

from service.commands.bench.load import Generator
from service.commands.bench.samples import OK

_PERIOD_S = 0.5
_CLEAR = "\r\x1b[K"


async def show_progress(generator: Generator, total_s: float, terminal: TextIO) -> None:
    """Write the line again and again until cancelled; it is gone at the end."""
    seen = 0
    try:
        while True:
            await asyncio.sleep(_PERIOD_S)
            line, seen = _line(generator, total_s, seen)
            terminal.write(_CLEAR + line)
            terminal.flush()
    finally:
        terminal.write(_CLEAR)
        terminal.flush()


def _line(generator: Generator, total_s: float, seen: int) -> tuple[str, int]:
    """The line, and how many samples it has looked at so far."""
    columns = generator.samples.columns(seen)
    ok = np.array([kind.status == OK for kind in columns.kinds], dtype=bool)[columns.kind]
    line = (
        f"{generator.elapsed_s:6.1f} of {total_s:.0f} s   {generator.sent} sent, "
        f"{generator.in_flight} under way   {ok.sum() / _PERIOD_S:.0f} answers/s"
    )
    if ok.any():
        p50, p99 = np.percentile(columns.latency_s[ok] * 1000, [50, 99])
        line += f"   p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    if not ok.all():
        line += f"   {(~ok).sum() / _PERIOD_S:.0f} others/s"
    return line, seen + len(columns.kind)
