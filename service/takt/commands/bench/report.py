"""Writes the report of a run, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import orjson

from takt.commands.bench.figures import Figures, Percentiles


@dataclass(frozen=True, slots=True)
class Setup:
    """Description of a run for the report.

    Attributes:
        url: URL of the server.
        model: name of the model.
        protocol: `rest` or `stream`.
        loop: the loop in words, such as `closed loop, 8 under way`.
        pictures: number of pictures that were sent in turn.
        started_at: start of the run in UTC, ISO 8601.
    """

    url: str
    model: str
    protocol: str
    loop: str
    pictures: int
    started_at: str


def text_report(setup: Setup, figures: Figures) -> str:
    """Report for a terminal, of several lines."""
    return "\n".join(_lines(setup, figures))


def json_report(setup: Setup, figures: Figures) -> bytes:
    """Report as a JSON object, with the fields of `Setup` and `Figures`."""
    document = {"setup": asdict(setup), "figures": asdict(figures)}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _lines(setup: Setup, figures: Figures) -> Iterator[str]:
    yield f"{setup.model} at {setup.url}: {setup.protocol}, {setup.loop}"
    cut = ", interrupted" if figures.interrupted else ""
    yield f"{figures.requests} requests in {figures.window_s:.1f} s{cut}"
    yield f"  offered     {figures.offered_per_s:10.1f} /s"
    yield f"  answered    {figures.answered_per_s:10.1f} /s"
    if figures.goodput_per_s is not None and figures.good_share is not None:
        yield (
            f"  in time     {figures.goodput_per_s:10.1f} /s   {figures.good_share:.2%} of the "
            f"requests within {figures.deadline_ms:g} ms"
        )
    yield ""
    yield f"{'ms':<10}{'p50':>9}{'p90':>9}{'p95':>9}{'p99':>9}{'p99.9':>9}{'max':>9}{'n':>10}"
    yield from _row("latency", figures.latency_ms)
    if figures.stream is not None:
        yield from _row("age", figures.stream.age_ms)
    yield from _row("refusal", figures.refusal_ms)
    yield from _row("lag", figures.lag_ms)
    yield ""
    for outcome in figures.outcomes:
        yield f"  {outcome.status or '-':>4} {outcome.code:<20} {outcome.count:>9}"
    if figures.stream is not None:
        stream = figures.stream
        yield (
            f"  dropped {stream.dropped}, out of order {stream.order_violations}, lost "
            f"{stream.lost_frames}, connections lost {stream.lost_connections}"
        )
    if figures.anomalous is not None:
        yield f"  anomalous {figures.anomalous} of {figures.answered}"
    sent_mb, received_mb = figures.sent_bytes / 1e6, figures.received_bytes / 1e6
    yield f"  sent {sent_mb:.1f} MB, received {received_mb:.1f} MB"


def _row(name: str, times: Percentiles | None) -> Iterator[str]:
    if times is None:
        return
    columns = (times.p50, times.p90, times.p95, times.p99, times.p99_9, times.max)
    yield f"{name:<10}" + "".join(f"{value:9.2f}" for value in columns) + f"{times.count:10d}"
