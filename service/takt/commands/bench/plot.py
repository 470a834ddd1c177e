"""Plots a run: its latencies by percentile, and its course."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from takt.commands.bench.figures import Figures
from takt.commands.bench.report import Setup

_TICKS = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999)


def save_plot(path: Path, setup: Setup, figures: Figures, latency_ms: NDArray[np.float64]) -> None:
    """Writes an SVG, PNG or PDF, by the name's suffix.

    Args:
        path: path of the file.
        setup: description of the run.
        figures: figures of the run.
        latency_ms: latencies of the 200s that count.

    Raises:
        ValueError: the suffix is no format.
        OSError: the file cannot be written.
    """
    figure = Figure(figsize=(9, 7), layout="constrained")
    figure.suptitle(f"{setup.model}: {setup.protocol}, {setup.loop}")
    latency, course = figure.subplots(2, 1)

    ordered = np.sort(latency_ms)
    # 1 / (1 - rank) spreads the tail: each decade holds a tenth of the requests of the one before.
    odds = len(ordered) / np.arange(len(ordered), 0, -1)
    latency.step(odds, ordered, where="post")
    latency.set_xscale("log")
    shown = [tick for tick in _TICKS if 100 / (100 - tick) <= max(len(ordered), 2)]
    latency.set_xticks([100 / (100 - tick) for tick in shown], [f"{tick:g}" for tick in shown])
    latency.minorticks_off()
    latency.set_ylim(bottom=0)
    latency.set_xlabel("percentile of the answered requests")
    latency.set_ylabel("latency, ms")
    latency.grid(alpha=0.3)

    other = [second.other for second in figures.seconds]
    course.stairs([second.answered for second in figures.seconds], label="answered")
    if any(other):
        course.stairs(other, label="refused, dropped or failed")
    course.legend()
    course.set_ylim(bottom=0)
    course.set_xlabel("second of the run, warm-up included")
    course.set_ylabel("per second")
    course.grid(alpha=0.3)
    figure.savefig(path)
