"""A plant in a box whose wall clock is set while parts are under way: by hours, over midnight, and
over both changes of summer time."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from benchmarks.station.wall_clock import WallClock, wall_clock
from takt.commands.demo.serving import serving
from takt.commands.demo.shipped import MODEL, unpack
from takt_station.plant.box import BoxServer, PlantBox
from takt_station.plant.conveyor import Conveyor
from takt_station.plant.layout import PlantLayout

pytestmark = pytest.mark.servers

EVERY_S, GATE_S, RESULT_MS = 0.25, 0.6, 450
PARTS = 48
FIRST_STEP_S, STEP_EVERY_S = 1.6, 1.6
"""A part is under way at each step: it takes longer to the gate than to the next part."""


def at(moment: str) -> Callable[[], int]:
    """How far a clock goes ahead that shows a moment of UTC, or up to a second later."""
    unix_s = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    return lambda: math.ceil(unix_s - time.time())


STEPS: tuple[Callable[[], int], ...] = (
    lambda: 5 * 3600,
    lambda: -3 * 3600,
    at("2026-12-02T22:59:59"),  # midnight in Berlin follows
    at("2026-12-02T23:59:59"),  # and that of UTC
    at("2027-03-28T00:59:59"),  # summer time begins
    at("2026-10-25T00:59:59"),  # and ends
)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WallClock]:
    """Of all processes that begin from now on, in Berlin."""
    if shutil.which("cc") is None:
        pytest.skip("Debian's package gcc")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    with wall_clock(tmp_path) as one:
        yield one


async def stepped(clock: WallClock, plant: Path) -> None:
    """Set the clock again and again, once the conveyor moves."""
    while not plant.exists() or math.isinf(PlantLayout.read(plant).conveyor.start_s):
        await asyncio.sleep(0.02)
    first_s = PlantLayout.read(plant).conveyor.start_s + FIRST_STEP_S
    for number, ahead_s in enumerate(STEPS):
        await asyncio.sleep(first_s + number * STEP_EVERY_S - time.monotonic())
        clock.put_forward(ahead_s())


@pytest.mark.slow
async def test_a_clock_that_is_set_changes_no_result_and_no_part_takes_less_than_no_time(
    clock: WallClock, tmp_path: Path
) -> None:
    unpack(tmp_path / "models")
    with serving(tmp_path / "models", tmp_path) as served:
        recipe = {"number": 1, "alpha": 0.02, "deadline_ms": 2000}
        body = {**recipe, "views": [{"name": "top", "model": MODEL}]}
        httpx.put(f"{served.url}/v1/recipes/plate", json=body).raise_for_status()
        (box_folder := tmp_path / "box").mkdir()
        layout = PlantLayout(Conveyor(math.inf, EVERY_S, GATE_S, PARTS, seed=2))
        box = PlantBox(layout, RESULT_MS, BoxServer(served.url, served), box_folder)
        stepping = asyncio.create_task(stepped(clock, box_folder / "plant.json"))
        outcome = await box.run()
        await stepping
        found = httpx.get(f"{served.url}/v1/parts", params={"limit": 200}).json()["parts"]

    assert outcome.broken == []
    # On a machine that is busy a picture may come too late, or the PLC look too late.
    assert sum(one.result in ("OK", "NG") for one in outcome.moves) >= PARTS * 3 // 4
    log = (box_folder / "station.jsonl").read_text().splitlines()
    said = [one for one in map(json.loads, log) if one["event"] == "result"]
    assert all(0 < one["took_ms"] < 2 * RESULT_MS for one in said)
    jumps_s = [after["at_s"] - before["at_s"] for before, after in pairwise(said)]
    assert sum(abs(one) > 1800 for one in jumps_s) == len(STEPS)

    ours = [one for one in found if one["part"].startswith("plant-")]
    numbers = {int(one["part"].rpartition("-")[2]): one["number"] for one in ours}
    assert [*numbers.values()] == sorted(numbers.values(), reverse=True)
    assert [*numbers] == sorted(numbers, reverse=True)
    moments = [(one["began_at"], one["result"]["ended_at"]) for one in ours]
    assert all(began < ended for began, ended in moments)
    days = {began[:10] for began, _ in moments}
    assert {"2026-12-03", "2027-03-28", "2026-10-25"} <= days
