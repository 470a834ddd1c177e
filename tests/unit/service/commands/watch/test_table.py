from __future__ import annotations

from dataclasses import replace

import pytest

from takt.commands.watch.figures import FrameTimes
from takt.commands.watch.table import ROWS_UNDER_A_HEADING, OutcomeTable
from takt.core.domain import Box, Inspection, Timings, Verdict
from takt.streaming.evidence import VoteCount
from takt.streaming.outcomes import AnsweredFrame

SEEN = Inspection(
    model="parts",
    version="1",
    verdict=Verdict(True, 0.78431, 0.5, 100.0, ()),
    width=4,
    height=3,
    inspected=Box(0, 0, 4, 3),
    heatmap=None,
    timings=Timings(0, 0, 0, 0, 0, 0, 8.25),
)
ANSWER = AnsweredFrame(3, 1_700, SEEN, 9.0, 0, None, None)
TIMES = FrameTimes(632.5, 8600.0)
MOMENT = "20261127T062115.123Z"


@pytest.fixture
def lines() -> list[str]:
    return []


def test_a_camera_s_row_with_a_vote_fits_80_columns(lines: list[str]) -> None:
    table = OutcomeTable(lines.append, vote=True)
    table.answered(None, MOMENT, replace(ANSWER, vote=VoteCount(True, 2, 3)), TIMES)
    assert lines[1:] == [
        "frame                 verdict      score regions          vote   engine  waiting",
        f"{MOMENT}  ANOMALOUS   0.7843       0 ANOMALOUS 2/3   632 ms  8600 ms",
    ]
    assert max(map(len, lines)) == 80


def test_several_sources_have_a_column_that_says_which(lines: list[str]) -> None:
    table = OutcomeTable(lines.append, ("left", "right-hand"))
    table.answered("left", MOMENT, ANSWER, TIMES)
    table.refused("right-hand", "b", "Invalid image: cut short")
    heading, left, right = lines[1:]
    assert heading.startswith("station    frame")
    assert left.startswith(f"left       {MOMENT}  ANOMALOUS")
    assert right == f"right-hand {'b':<20}  Invalid image: cut short"
    assert max(map(len, lines)) <= 80


def test_a_smoothed_score_has_a_column_beside_the_score(lines: list[str]) -> None:
    table = OutcomeTable(lines.append, smoothed=True)
    table.answered(None, "a", replace(ANSWER, smoothed_score=0.25), TIMES)
    assert lines[1].split()[2:4] == ["score", "smoothed"]
    assert lines[2].split()[2:4] == ["0.7843", "0.25"]


def test_the_heading_is_said_again_once_it_has_left_the_screen(lines: list[str]) -> None:
    table = OutcomeTable(lines.append)
    for _ in range(ROWS_UNDER_A_HEADING + 1):
        table.answered(None, "a", ANSWER, TIMES)
    assert [line.startswith("frame") for line in lines].count(True) == 2
    assert lines[-2].startswith("frame")
    assert [line.startswith("threshold") for line in lines].count(True) == 1


def test_another_threshold_is_told_with_the_heading(lines: list[str]) -> None:
    table = OutcomeTable(lines.append)
    table.answered(None, "a", ANSWER, TIMES)
    verdict = replace(SEEN.verdict, threshold=0.9, anomalous=False)
    table.answered(None, "b", replace(ANSWER, inspection=SEEN._replace(verdict=verdict)), TIMES)
    assert lines[3] == "threshold 0.9: a score above it is anomalous, and so is any region"
    assert lines[4].startswith("frame")


def test_the_column_of_names_widens_for_a_longer_one_under_a_new_heading(lines: list[str]) -> None:
    table = OutcomeTable(lines.append)
    for name in ("short", "n" * 33, "short", "n" * 100):
        table.answered(None, name, ANSWER, TIMES)
    _, narrow, _, wide, long, short, widest, _ = lines
    assert narrow.index("verdict") == 22
    assert wide.index("verdict") == long.index("ANOM") == short.index("ANOM") == 35
    assert widest.index("verdict") == 42


def test_on_a_terminal_a_long_name_keeps_its_end_and_the_row_its_width(lines: list[str]) -> None:
    table = OutcomeTable(lines.append, ("left", "right"), width=90)
    table.answered("left", "n" * 50 + "-000123", ANSWER, TIMES)
    table.answered("left", "short", ANSWER, TIMES)
    table.refused("left", "n" * 50 + "-000124", "Invalid image")
    _, heading, long, short, refused = lines
    assert len(heading) == len(long) == len(short) == 90
    assert long[8:].startswith("…n")
    assert "n-000123  ANOMALOUS" in long
    assert "n-000124  Invalid image" in refused
