"""Report of a watch: a line for each shot, overlays of anomalous ones, the figures at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import orjson

from service.domain import Json
from service.errors import ConfigurationError
from service.streaming.outcomes import (
    AnsweredFrame,
    DroppedFrame,
    FailedFrame,
    Outcome,
    answer_json,
    dropped_json,
    failed_json,
)
from service.streaming.statistics import LatencyPercentiles, StreamStatistics


class WatchReport:
    """Prints outcomes, and saves overlays of anomalous shots.

    >>> report = WatchReport(print, as_json=False, save=None)
    >>> failed = FailedFrame(0, 400, "invalid_image", "Invalid image", "cut short")
    >>> asyncio.run(report.tell("part", failed))
    part  Invalid image: cut short

    Args:
        write: prints a line.
        as_json: whether each line is a JSON object like a message of a stream; lines for people
            leave out dropped frames.
        save: folder for overlays of anomalous shots, made if it is missing; None saves none.
    """

    def __init__(self, write: Callable[[str], None], *, as_json: bool, save: Path | None) -> None:
        self._write = write
        self._as_json = as_json
        self._save = save

    async def tell(self, name: str, outcome: Outcome) -> None:
        """Tells the outcome of a shot.

        Args:
            name: name of the shot.
            outcome: outcome of the shot.

        Raises:
            ConfigurationError: the overlay cannot be written.
        """
        saved = await self._saved(name, outcome) if isinstance(outcome, AnsweredFrame) else None
        if self._as_json:
            self._put(_json(outcome) | {"name": name, "saved": saved})
        elif not isinstance(outcome, DroppedFrame):
            self._write(f"{name}  {_words(outcome)}")

    def sum_up(self, figures: StreamStatistics) -> None:
        """Tells the figures of all shots."""
        if self._as_json:
            self._put({"type": "summary", "stats": asdict(figures)})
            return
        self._write(
            f"{figures.frames} frames in {figures.seconds:.1f} s: {figures.answered} answered "
            f"({figures.frames_per_s:.1f}/s), {figures.anomalous} anomalous, {figures.errors} "
            f"errors, {figures.dropped} dropped"
        )
        if figures.answered:
            self._write(f"inspection {_spread(figures.latency_ms)}")
            self._write(f"age of the answered frame {_spread(figures.age_ms)}")

    async def _saved(self, name: str, answer: AnsweredFrame) -> str | None:
        """Path of the overlay; None if there is none to save."""
        heatmap = answer.inspection.heatmap
        if self._save is None or heatmap is None or not answer.inspection.verdict.anomalous:
            return None
        suffix = "jpg" if heatmap.format == "jpeg" else heatmap.format
        path = self._save / f"{answer.sequence:06}-{name}.{suffix}"
        try:
            await asyncio.to_thread(_write_file, path, heatmap.data)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error}") from None
        return str(path)

    def _put(self, body: Json) -> None:
        self._write(orjson.dumps(body).decode())


def _write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _json(outcome: Outcome) -> Json:
    match outcome:
        case AnsweredFrame():
            body = answer_json(outcome, "")
            del body["request_id"], body["heatmap"]
            return body
        case FailedFrame():
            return failed_json(outcome)
        case DroppedFrame():
            return dropped_json(outcome)


def _words(outcome: AnsweredFrame | FailedFrame) -> str:
    if isinstance(outcome, FailedFrame):
        return f"{outcome.title}: {outcome.detail}"
    verdict = outcome.inspection.verdict
    words = [
        "ANOMALOUS" if verdict.anomalous else "good",
        f"score {verdict.score:.4g} at threshold {verdict.threshold:.4g}",
    ]
    if outcome.smoothed_score is not None:
        words.append(f"smoothed {outcome.smoothed_score:.4g}")
    if verdict.regions:
        words.append(f"regions {len(verdict.regions)}")
    if outcome.vote is not None:
        says = "anomalous" if outcome.vote.anomalous else "good"
        words.append(f"vote {says}, {outcome.vote.count} of {outcome.vote.of}")
    words.append(f"{outcome.inspection.timings.total_ms:.1f} ms")
    return "  ".join(words)


def _spread(times: LatencyPercentiles) -> str:
    return f"p50 {times.p50:.1f} ms, p95 {times.p95:.1f} ms, p99 {times.p99:.1f} ms"
