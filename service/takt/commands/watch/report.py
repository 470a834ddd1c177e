"""Report of a watch: a line for each shot, overlays of anomalous ones, the figures at the end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import orjson

from takt.commands.watch.figures import FrameTimes, WatchFigures
from takt.commands.watch.table import OutcomeTable, in_ms
from takt.core.domain import Json
from takt.core.errors import ConfigurationError
from takt.streaming.outcomes import (
    AnsweredFrame,
    DroppedFrame,
    FailedFrame,
    Outcome,
    answer_json,
    dropped_json,
    failed_json,
)
from takt.streaming.statistics import LatencyPercentiles


class WatchReport:
    """Prints outcomes, and saves overlays of anomalous shots.

    >>> report = WatchReport(print, OutcomeTable(print), save=None)
    >>> failed = FailedFrame(0, 400, "invalid_image", "Invalid image", "cut short")
    >>> asyncio.run(report.tell("part", failed, None))
    part                  Invalid image: cut short

    Args:
        write: prints a line.
        table: table of the outcomes, for people; None prints each as a JSON object like a message
            of a stream. Lines for people leave out dropped frames.
        save: folder for overlays of anomalous shots, made if it is missing; None saves none.
        station: name of the source, where there are several or one was given.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        table: OutcomeTable | None,
        *,
        save: Path | None,
        station: str | None = None,
    ) -> None:
        self._write = write
        self._table = table
        self._station = station
        self._save = save / _file_name(station) if save and station else save

    async def tell(self, name: str, outcome: Outcome, times: FrameTimes | None) -> None:
        """Tells the outcome of a shot.

        Args:
            name: name of the shot.
            outcome: outcome of the shot.
            times: where the time of an answered shot went.

        Raises:
            ConfigurationError: the overlay cannot be written.
        """
        saved = await self._saved(name, outcome) if isinstance(outcome, AnsweredFrame) else None
        if self._table is None:
            spent = {} if times is None else asdict(times)
            self._put(_json(outcome) | spent | {"name": name, "saved": saved})
        elif isinstance(outcome, FailedFrame):
            self._table.refused(self._station, name, f"{outcome.title}: {outcome.detail}")
        elif isinstance(outcome, AnsweredFrame) and times is not None:
            self._table.answered(self._station, name, outcome, times)

    def sum_up(self, figures: WatchFigures) -> None:
        """Tells the figures of all shots."""
        if self._table is None:
            times = {"engine_ms": figures.engine_ms, "waiting_ms": figures.waiting_ms}
            stats = asdict(figures.stats) | {key: asdict(each) for key, each in times.items()}
            self._put({"type": "summary", "stats": stats})
            return
        lines = list(_sum(figures))
        if self._station:
            lines = [self._station, *(f"  {line}" for line in lines)]
        for line in lines:
            self._write(line)

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
        if self._station:
            body["station"] = self._station
        self._write(orjson.dumps(body).decode())


def _write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _file_name(station: str) -> str:
    """A station as the name of a folder.

    >>> _file_name("press 3/left")
    'press-3-left'
    """
    return re.sub(r"[^\w.-]+", "-", station).strip(".") or "station"


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


def _sum(figures: WatchFigures) -> Iterator[str]:
    stats = figures.stats
    undecided = f" ({stats.undecided} undecided)" if stats.undecided else ""
    yield (
        f"{stats.frames} frames in {stats.seconds:.1f} s: {stats.answered} answered "
        f"({stats.frames_per_s:.1f}/s), {stats.anomalous} anomalous{undecided}, "
        f"{stats.errors} errors, {stats.dropped} dropped"
    )
    if stats.answered:
        yield f"engine   {_spread(figures.engine_ms)}"
        yield f"waiting  {_spread(figures.waiting_ms)}"


def _spread(times: LatencyPercentiles) -> str:
    return ", ".join(f"{name} {in_ms(ms)}" for name, ms in asdict(times).items())
