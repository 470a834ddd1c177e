"""The plans of docs/scale.md: their figures are those of other pages, their arithmetic is right."""

import re

import pytest

from docs._reference import scale
from docs._reference.scale import BANK, FOUR, INT8, LINES, MODELS, WAVES, Line, Model
from tests.tree import ROOT

_BANK, _INT8, FLOAT32, INPFORMER = MODELS
SLOW = Model("300 ms with all around it", 1000 / (300 - scale.AROUND_MS), "")
LINE = Line(cameras=10, parts_per_s=0.5, cycle_ms=1000, link_mbit_s=267.2)
"""Its pictures are 100 ms on the wire."""


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("docs/fitting-patchcore.md", f", {2 * BANK.per_core:g} to 56 pictures a second"),
        ("benchmarks/engines.md", f"four clients, .*: bottle\n{2 * INT8.per_core:g}/s in 8 bits"),
        ("benchmarks/engines.md", rf"float32, 1 x 2 / 2 x 1 \| .* / {2 * FLOAT32.per_core:g} \|"),
        ("benchmarks/engines.md", rf"rest in bfloat16.* / {2 * INPFORMER.per_core:.1f} \|"),
        ("benchmarks/engines.md", rf"\({scale.PROCESS_MIB} MiB after pictures"),
        ("benchmarks/realtime.md", rf"one connection \| {scale.PROCESS_PER_S:,}"),
        ("benchmarks/peers/README.md", rf"1280 × 960\n?.*\({scale.JPEG_BYTES // 1000} kB\)"),
        ("benchmarks/peers/README.md", rf"\*\*ours\*\* .* 69\.9 / 89\.3, {scale.AROUND_MS}\d "),
        ("docs/record.md", f"take {scale.ROW_BYTES} bytes each"),
        ("docs/record.md", f"takes {scale.POSTGRESQL_ROWS_PER_S:,} rows a second"),
        ("docs/record.md", f"and {scale.POSTGRESQL_ROW_BYTES} bytes for each"),
        ("docs/operations.md", f"line of the request log {scale.LOG_BYTES} bytes"),
        ("docs/scale.md", f"some {round(scale.PROCESS_PER_S / INT8.per_core, -1):g} cores"),
    ],
)
def test_a_figure_stands_in_the_page_that_it_is_from(page: str, said: str) -> None:
    assert re.search(said, (ROOT / page).read_text("utf-8"))


def test_the_pictures_of_a_part_take_their_time_on_the_wire() -> None:
    assert LINE.sent_ms == pytest.approx(10 * 334_000 * 8 / 267_200_000 * 1000)
    assert LINE.left_ms == pytest.approx(900)


def test_a_core_answers_whole_pictures_in_turn() -> None:
    # Three in 900 ms; four cores answer twelve.
    assert LINE.in_turn(SLOW) == 3
    assert LINE.cores_for_burst(SLOW) == 4


def test_the_rate_is_seven_tenths_of_what_the_cores_can_do() -> None:
    # 5/s x 300 ms = 1.5 cores, / 0.7 = 2.1.
    assert LINE.cores_for_rate(SLOW) == 3
    assert LINE.cores(SLOW) == 4


def test_the_waves_are_all_lines_and_each_shows_more_than_the_one_before() -> None:
    assert sum(WAVES) == LINES
    shown = [float(found) for found in re.findall(r"= ([\d.]+) %", scale.waves())]
    assert shown == sorted(shown, reverse=True)
    # 3 x sqrt(2 x 0.01 x 0.99 / 28,800)
    assert FOUR.per_s * 3600 == 28_800
    assert shown[0] == pytest.approx(0.2487, abs=0.006)
