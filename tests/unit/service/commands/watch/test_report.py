from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from takt.commands.watch.figures import FrameTimes, WatchFigures
from takt.commands.watch.report import WatchReport
from takt.commands.watch.table import OutcomeTable
from takt.core.domain import Box, Heatmap, Inspection, Region, Timings, Verdict
from takt.core.errors import ConfigurationError
from takt.streaming.evidence import VoteCount
from takt.streaming.outcomes import AnsweredFrame, DroppedFrame, FailedFrame, Outcome
from takt.streaming.statistics import LatencyPercentiles, StreamStatistics

REGION = Region(Box(1, 1, 2, 2), 4, 0.8)
SEEN = Inspection(
    model="parts",
    version="1",
    verdict=Verdict(True, 0.75, 0.5, 100.0, (REGION,)),
    width=4,
    height=3,
    inspected=Box(0, 0, 4, 3),
    heatmap=Heatmap("overlay", "jpeg", b"an overlay"),
    timings=Timings(0, 0, 0, 0, 0, 0, 8.25),
)
BAD = AnsweredFrame(3, 1_700, SEEN, 9.0, 0, 0.6, VoteCount(True, 2, 3))
GOOD = replace(
    BAD,
    inspection=SEEN._replace(verdict=Verdict(False, 0.25, 0.5, 40.0, ())),
    smoothed_score=None,
    vote=None,
)
FAILED = FailedFrame(4, 400, "invalid_image", "Invalid image", "cut short")
SPREAD = LatencyPercentiles(1.0, 2.0, 3.0)
STATS = StreamStatistics(4, 2, 1, 1, 1, 0, 2.0, 1.0, SPREAD, SPREAD)
WAITED = LatencyPercentiles(8600.0, 8700.0, 8800.0)
FIGURES = WatchFigures(STATS, SPREAD, WAITED)


def people(write: Callable[[str], None]) -> WatchReport:
    return WatchReport(write, OutcomeTable(write), save=None)


@pytest.fixture
def lines() -> list[str]:
    return []


async def tell(report: WatchReport, *outcomes: Outcome) -> None:
    for outcome in outcomes:
        times = FrameTimes(2.5, 8600.0) if isinstance(outcome, AnsweredFrame) else None
        await report.tell("cam", outcome, times)


async def test_a_line_for_people_has_engine_and_waiting_apart_under_a_heading(lines) -> None:
    report = people(lines.append)
    await tell(report, BAD, GOOD, FAILED, DroppedFrame(5, 1))
    assert lines == [
        "threshold 0.5: a score above it is anomalous, and so is any region",
        "frame                 verdict      score regions   engine  waiting",
        "cam                   ANOMALOUS     0.75       1   2.5 ms  8600 ms",
        "cam                   good          0.25       0   2.5 ms  8600 ms",
        "cam                   Invalid image: cut short",
    ]


async def test_an_overlay_of_a_station_is_in_a_folder_of_its_own(lines, tmp_path: Path) -> None:
    await tell(WatchReport(lines.append, None, save=tmp_path, station="press 3/left"), BAD)
    assert [path.name for path in (tmp_path / "press-3-left").iterdir()] == ["000003-cam.jpg"]


async def test_json_lines_name_the_station_where_there_is_one(lines) -> None:
    report = WatchReport(lines.append, None, save=None, station="left")
    await tell(report, BAD, FAILED)
    report.sum_up(FIGURES)
    assert [json.loads(line)["station"] for line in lines] == ["left"] * 3


async def test_json_lines_are_the_messages_of_a_stream_with_the_name(lines) -> None:
    await tell(WatchReport(lines.append, None, save=None), BAD, FAILED, DroppedFrame(5, 1))
    answer, failed, dropped = map(json.loads, lines)
    assert (answer["type"], answer["name"], answer["sequence"]) == ("answer", "cam", 3)
    assert answer["vote"] == {"anomalous": True, "count": 2, "of": 3, "undecided": 0}
    assert answer["regions"] == [{"box": [1, 1, 2, 2], "area": 4, "peak": 0.8}]
    assert answer["saved"] is None
    assert (answer["engine_ms"], answer["waiting_ms"]) == (2.5, 8600.0)
    assert "station" not in answer
    assert "heatmap" not in answer
    assert (failed["type"], failed["code"], failed["name"]) == ("error", "invalid_image", "cam")
    assert (dropped["type"], dropped["dropped"]) == ("dropped", 1)


async def test_only_overlays_of_anomalous_shots_are_saved(lines, tmp_path: Path) -> None:
    save = tmp_path / "made" / "here"
    await tell(WatchReport(lines.append, None, save=save), BAD, GOOD)
    (path,) = save.iterdir()
    assert path.name == "000003-cam.jpg"
    assert path.read_bytes() == b"an overlay"
    assert [json.loads(line)["saved"] for line in lines] == [str(path), None]


async def test_an_overlay_that_cannot_be_written_is_told(lines, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    report = WatchReport(lines.append, OutcomeTable(lines.append), save=tmp_path / "file")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        await tell(report, BAD)


def test_the_sum_has_the_figures(lines) -> None:
    people(lines.append).sum_up(FIGURES)
    assert lines == [
        "4 frames in 2.0 s: 2 answered (1.0/s), 1 anomalous, 1 errors, 1 dropped",
        "engine   p50 1.0 ms, p95 2.0 ms, p99 3.0 ms",
        "waiting  p50 8600 ms, p95 8700 ms, p99 8800 ms",
    ]


def test_the_sum_of_one_of_several_sources_stands_below_its_name(lines) -> None:
    WatchReport(lines.append, OutcomeTable(lines.append), save=None, station="left").sum_up(FIGURES)
    assert lines[0] == "left"
    assert all(line.startswith("  ") for line in lines[1:])


def test_the_sum_of_nothing_has_no_percentiles(lines) -> None:
    none = LatencyPercentiles(None, None, None)
    stats = StreamStatistics(0, 0, 0, 0, 0, 0, 2.0, 0.0, none, none)
    figures = WatchFigures(stats, none, none)
    people(lines.append).sum_up(figures)
    assert len(lines) == 1


def test_the_sum_as_json_is_one_line(lines) -> None:
    WatchReport(lines.append, None, save=None).sum_up(FIGURES)
    (line,) = map(json.loads, lines)
    assert line["type"] == "summary"
    assert line["stats"]["anomalous"] == 1
    assert line["stats"]["engine_ms"] == {"p50": 1.0, "p95": 2.0, "p99": 3.0}
    assert line["stats"]["waiting_ms"] == {"p50": 8600.0, "p95": 8700.0, "p99": 8800.0}
