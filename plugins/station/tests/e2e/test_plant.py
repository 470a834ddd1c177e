"""A plant in a box: real processes over real protocols on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from takt_station.plant.box import HEARTBEAT_MS, BoxOutcome, BoxServer, PlantBox
from takt_station.plant.conveyor import Conveyor
from takt_station.plant.faults import Fault, FaultKind
from takt_station.plant.layout import PlantError, PlantLayout

pytestmark = pytest.mark.servers

TAKT = Path(sys.executable).with_name("takt")
RESULT_MS = 350
EVERY_S, GATE_S = 0.25, 0.5
SLOW_S = 0.35


def layout(parts: int, recipe: int = 1, code: str = "") -> PlantLayout:
    return PlantLayout(Conveyor(math.inf, EVERY_S, GATE_S, parts, seed=2), recipe, code=code)


@dataclass(frozen=True)
class Played:
    """What twenty parts with codes came to, and where the station's log is."""

    outcome: BoxOutcome
    folder: Path


@pytest.fixture(scope="module")
def played(server: BoxServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("played")
    box = PlantBox(layout(20, code="PLATE-"), RESULT_MS, server, folder)
    return Played(asyncio.run(box.run()), folder)


async def play(server: BoxServer, folder: Path, parts: int, *faults: Fault) -> BoxOutcome:
    return await PlantBox(layout(parts), RESULT_MS, server, folder).run(faults)


def results(folder: Path) -> list[dict[str, Any]]:
    """What the station's log has of each part; on a slow host it tells late verdicts besides."""
    lines = (folder / "station.jsonl").read_text().splitlines()
    return [one for one in map(json.loads, lines) if one["event"] == "result"]


def test_parts_pass_by_an_ok_of_their_own(played: Played) -> None:
    outcome = played.outcome
    assert outcome.broken == []
    assert [one.part for one in outcome.moves] == list(range(1, 21))
    # On a machine that is busy a picture may come too late; then there is no decision.
    assert sum(one.result in ("OK", "NG") for one in outcome.moves) >= 10
    assert any(one.passed for one in outcome.moves)
    told = [one["part"] for one in results(played.folder)]
    assert told == sorted(set(told))
    assert {one.part for one in outcome.moves if one.result in ("OK", "NG")} <= set(told)


def test_the_server_knows_how_the_station_fares(server: BoxServer, played: Played) -> None:
    station = httpx.get(f"{server.url}/v1/stations/plant").json()["station"]
    assert station["recipe"] == {"number": 1, "name": "plate", "changing": False}
    assert station["plc"]["heard_at"] is not None
    assert [one["name"] for one in station["cameras"]] == ["top"]
    assert station["result_ms"] == RESULT_MS
    results = station["results"]
    assert len(results) >= 10
    given = {move.part: move.result for move in played.outcome.moves}
    for one in results:
        assert one["result"].upper() == given[one["part"]]
        if one["part_id"] is not None and one["result"] != "no_decision":
            part = httpx.get(f"{server.url}/v1/parts/{one['part_id']}").json()["part"]
            assert part["state"] == "ended"


def test_lot_and_code_go_with_a_part_and_its_code_names_its_recipe(
    server: BoxServer, played: Played
) -> None:
    said = results(played.folder)
    # A slow host may miss a trigger, whose part is rejected.
    given = {(one["part"], one["lot"], one["code"]) for one in said}
    assert given <= {(part, "L1", f"PLATE-{part:06}") for part in range(1, 21)}
    judged = [one for one in said if one["result"] in ("ok", "ng")]
    assert len(judged) >= 10
    assert {(one["recipe"], one["recipe_number"]) for one in judged} == {("plate", 1)}
    found = httpx.get(f"{server.url}/v1/inspections?lot=L1&limit=500").json()["inspections"]
    codes = {one["tags"]["code"]: one["part"] for one in found if "code" in one["tags"]}
    assert {one["code"] for one in judged} <= {*codes}


async def test_parts_of_a_code_that_no_recipe_has_are_rejected(
    server: BoxServer, tmp_path: Path
) -> None:
    outcome = await PlantBox(layout(5, code="LID-"), RESULT_MS, server, tmp_path).run()

    assert outcome.broken == []
    assert not any(one.passed for one in outcome.moves)
    said = results(tmp_path)
    assert {one["reason"] for one in said} == {"unknown_recipe"}
    assert "no recipe has the code LID-000001" in (tmp_path / "station.log").read_text()


async def goes_on(server: BoxServer, folder: Path, parts: int, *faults: Fault) -> None:
    """Check that parts pass after each fault, and none while it lasts."""
    outcome = await play(server, folder, parts, *faults)

    assert outcome.broken == []
    passed_s = [(one.part - 1) * EVERY_S + GATE_S for one in outcome.moves if one.passed]
    unheard_s = 2 * HEARTBEAT_MS / 1000 + 0.5
    for fault, then in zip(faults, [*faults[1:], None], strict=True):
        end_s = fault.at_s + fault.lasts_s
        # What was decided before is let pass, for two heartbeats at most.
        assert not [at_s for at_s in passed_s if fault.at_s + unheard_s < at_s < end_s]
        assert any(end_s < at_s < (then.at_s if then else math.inf) for at_s in passed_s), fault


async def test_after_a_cut_network_and_a_killed_station_the_line_goes_on(
    server: BoxServer, tmp_path: Path
) -> None:
    faults = [
        Fault(FaultKind.NETWORK_CUT, 2.0, 2.0),
        Fault(FaultKind.STATION_KILLED, 9.0, 0.5),
    ]
    await goes_on(server, tmp_path, 80, *faults)


@pytest.mark.slow
async def test_after_each_fault_the_line_goes_on_and_no_part_passes_by_anothers_result(
    server: BoxServer, tmp_path: Path
) -> None:
    faults = [
        Fault(FaultKind.CAMERA_UNPLUGGED, 2.0, 1.5),
        Fault(FaultKind.NETWORK_CUT, 9.0, 2.0),
        Fault(FaultKind.SERVER_GONE, 14.0, 1.5),
        Fault(FaultKind.STATION_KILLED, 21.0, 0.5),
        Fault(FaultKind.PLC_KILLED, 28.0, 0.5),
        Fault(FaultKind.SERVER_KILLED, 36.0, 1.0),
    ]
    await goes_on(server, tmp_path, 224, *faults)


@pytest.mark.slow
async def test_what_a_plc_loses_or_sees_twice_costs_its_own_parts_alone(
    server: BoxServer, tmp_path: Path
) -> None:
    faults = [
        Fault(FaultKind.LOST_TRIGGER, 2.0, 1.5),
        Fault(FaultKind.DOUBLE_TRIGGER, 5.0, 1.5),
        Fault(FaultKind.LATE_ACKNOWLEDGE, 8.0, 1.5),
    ]
    outcome = await play(server, tmp_path, 56, *faults)

    assert outcome.broken == []
    assert any(one.passed for one in outcome.moves if one.part > 46)


async def test_a_recipe_that_is_not_there_is_said(server: BoxServer, tmp_path: Path) -> None:
    with pytest.raises(PlantError, match="no recipe of the number 9"):
        await PlantBox(layout(5, recipe=9), RESULT_MS, server, tmp_path).run()


def test_a_newcomer_sees_a_plant_run() -> None:
    done = subprocess.run(
        [TAKT, "simulate", "--parts", "8", "--fault", "network_cut@1+0.5"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert len(rows(done.stdout)) == 8
    assert re.search(r"^8 parts at the gate: ", done.stdout, re.MULTILINE)
    assert "nothing passed without an OK of its own" in done.stdout


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, after_s: float
) -> None:
    while data := await reader.read(65536):
        await asyncio.sleep(after_s)
        writer.write(data)


@asynccontextmanager
async def slowed(server: BoxServer) -> AsyncIterator[str]:
    """Where the server's answers take longer than a part has time: on a host that is busy."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = server.url.rpartition(":")[2]
        answers, requests = await asyncio.open_connection("127.0.0.1", int(port))
        with contextlib.closing(writer), contextlib.closing(requests):
            await asyncio.wait(
                [
                    asyncio.create_task(_pass_on(reader, requests, 0)),
                    asyncio.create_task(_pass_on(answers, writer, SLOW_S)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )

    async with await asyncio.start_server(carry, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def simulated(*options: str) -> str:
    """What `takt simulate` prints."""
    command = [str(TAKT), "simulate", *options]
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    running = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=none)
    said, _ = await running.communicate()
    assert running.returncode == 0
    return said.decode()


def rows(said: str) -> list[str]:
    return [line for line in said.splitlines() if re.match(r" *\d+  (good|defect) ", line)]


@pytest.mark.slow
async def test_a_host_that_is_slow_is_measured_first_and_given_time(server: BoxServer) -> None:
    async with slowed(server) as url:
        said = await simulated("--url", url, "--parts", "4")

    assert re.match(r"An inspection takes \d+ ms here, \d+ at most of \d+ tried\.", said)
    assert "too slow for 5 parts a second with 300 ms from trigger to result" in said
    told = rows(said)
    assert len(told) == 4
    assert sum(line.endswith(("OK, passes", "NG, rejected")) for line in told) >= 3
    assert max(map(len, said.splitlines())) <= 80


async def test_a_cycle_that_is_asked_for_and_too_short_is_told_with_each_parts_reason(
    server: BoxServer,
) -> None:
    async with slowed(server) as url:
        said = await simulated("--url", url, "--parts", "4", "--rate", "5", "--gate-ms", "400")

    assert "too slow for 5 parts a second with 300 ms from trigger to result" in said
    assert re.search(r"--rate 0\.\d+ --gate-ms \d{4}", said)
    told = rows(said)
    assert len(told) == 4
    assert "no decision: no answer within 300 ms" in told[0]
    assert re.search(r"^4 without a decision: .*no answer within 300 ms", said, re.MULTILINE)
    assert max(map(len, said.splitlines())) <= 80


def test_a_plant_that_is_ended_leaves_no_process_behind(tmp_path: Path) -> None:
    command = [TAKT, "simulate", "--parts", "500"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as plant:
        assert plant.stdout is not None
        # The first part is at the gate: all processes are there.
        assert any(line.split()[:1] == ["1"] for line in plant.stdout)
        plant.terminate()
        plant.stdout.read()
        plant.wait(timeout=60)

    left = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if str(tmp_path) in _text(path)
    ]
    assert left == []
    assert list(tmp_path.glob("takt-*")) == []


def _text(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
