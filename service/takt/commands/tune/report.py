"""Writes the report of a tuning, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from takt.commands.columns import table_lines
from takt.commands.tune.choice import Choice
from takt.commands.tune.results import MeasuredCandidate, TuneResults
from takt.core.bundles.host_profile import HostProfile

_HEAD = (
    "engine",
    "instances x threads",
    "batch",
    "images/s",
    "p50 ms",
    "p99 ms",
    "timed",
    "against the reference",
    "",
)


def table(results: TuneResults, target_ms: float | None, choice: Choice | None) -> str:
    """Table of the candidates, the fastest first, and a line for each refused one."""
    fastest_first = sorted(results.measured, key=lambda one: -one.images_per_s)
    rows = [_HEAD, *(_row(one, results, target_ms, choice) for one in fastest_first)]
    # Engine and remark are words, and what is between them figures.
    lines = [*table_lines(rows, right=range(1, len(_HEAD) - 1))] if results.measured else []
    for one in results.refused:
        lines.append(f"{'drifts' if one.drifts else 'absent'}  {one.what}: {one.reason}")
    return "\n".join(lines)


def json_report(
    results: TuneResults, profile: HostProfile | None, advice: Sequence[str], *, written: bool
) -> bytes:
    """Report with all figures, as JSON.

    Args:
        results: results of the tuning.
        profile: profile of the chosen candidate; None if none was chosen.
        advice: lines that say how to become faster.
        written: whether the profile was written into the bundle.
    """
    document = {
        "candidates": [_figures(one, results) for one in results.measured],
        "refused": [asdict(one) for one in results.refused],
        "chosen": profile.model_dump() if profile else None,
        "written": written,
        "advice": list(advice),
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def _row(
    one: MeasuredCandidate, results: TuneResults, target_ms: float | None, choice: Choice | None
) -> tuple[str, ...]:
    candidate, over = one.candidate, _over(one, results)
    return (
        candidate.engine,
        f"{candidate.instances} x {candidate.threads}",
        str(candidate.max_batch_size),
        f"{one.images_per_s:.1f}",
        f"{one.p50_ms:.1f}",
        f"{one.p99_ms:.1f}",
        str(one.timed),
        "-" if over is None else f"{over:.2f}",
        ", ".join(_remarks(one, results, target_ms, choice)),
    )


def _remarks(
    one: MeasuredCandidate, results: TuneResults, target_ms: float | None, choice: Choice | None
) -> Iterator[str]:
    if choice is not None and one == choice.best:
        yield "chosen"
    if one == results.reference:
        yield "the reference"
    if not one.keeps(target_ms):
        yield "beyond the target"


def _over(one: MeasuredCandidate, results: TuneResults) -> float | None:
    return None if results.reference is None else one.over(results.reference)


def _figures(one: MeasuredCandidate, results: TuneResults) -> dict[str, Any]:
    candidate = one.candidate
    return {
        "engine": candidate.engine,
        "engine_instances": candidate.instances,
        "engine_threads": candidate.threads,
        "max_batch_size": candidate.max_batch_size,
        "runs_on": one.runs_on,
        "images_per_s": one.images_per_s,
        "images_per_s_of_rounds": [each.images_per_s for each in one.rounds],
        "p50_ms": one.p50_ms,
        "p99_ms": one.p99_ms,
        "pictures_timed": one.timed,
        "over_reference": _over(one, results),
    }
