"""A plant in a box: camera, station and PLC as processes, and a cable that can be cut.

The server is asked first what it thinks of each picture, so that a result which belongs to another
part is found out.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from takt.commands.demo.serving import DemoServer
from takt.core.distribution import COMMAND
from takt_client.connection import ServerAccess
from takt_station.plant.expected import VIEW, Expected, broken, expected_of
from takt_station.plant.faults import PLC_FAULTS, Fault, FaultKind
from takt_station.plant.layout import PlantError, PlantLayout, pictures_of
from takt_station.plant.network import Cable
from takt_station.plant.program import GateMove

_LOOK_S: Final = 0.05
_TELLS_S: Final = 10.0
"""Time within which a station that was started listens."""

_READY_S: Final = 60.0
"""Time within which camera, station and PLC are ready for the first part."""

_ACK_SHARE: Final = 0.3
PICTURE_SHARE: Final = 0.5
"""Of the time between two parts: for the trigger, and from there for the picture. Together they are
less than the time for which the camera sees a part."""

HEARTBEAT_MS: Final = 250.0
"""Time between two counts of the station's heartbeat."""

_ENDED: Final = {
    FaultKind.CAMERA_UNPLUGGED: "camera",
    FaultKind.STATION_KILLED: "station",
    FaultKind.PLC_KILLED: "plc",
}
"""The process that a fault ends, which begins anew when that is over."""


@dataclass(frozen=True, slots=True)
class BoxServer:
    """The server that a plant asks.

    Attributes:
        url: of the server.
        own: its process, to be halted and killed; None where it is not ours.
        access: what it is shown, and whom to trust.
    """

    url: str
    own: DemoServer | None = None
    access: ServerAccess = field(default_factory=ServerAccess)


@dataclass(frozen=True, slots=True)
class BoxOutcome:
    """What became of the parts of a plant.

    Attributes:
        moves: what the gate did with each part that a PLC saw there.
        broken: promises that did not hold, in words.
        times_ms: from a part's trigger to the PLC's reading of its result.
    """

    moves: Sequence[GateMove]
    broken: Sequence[str]
    times_ms: np.ndarray


class PlantBox:
    """A plant whose processes are started, may be killed, and are ended.

    Args:
        layout: what the processes share; the PLC starts its conveyor.
        result_ms: of the station, from a trigger to its result, at most.
        server: that judges.
        folder: for the files of the plant.
    """

    def __init__(
        self, layout: PlantLayout, result_ms: float, server: BoxServer, folder: Path
    ) -> None:
        self._layout = layout
        self._result_ms = result_ms
        self._server = server
        self._folder = folder
        self._plant_file = folder / "plant.json"
        self._camera_port, self._station_port = free_port(), free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._cable = Cable(self._station_port)
        self._moves = GateFile(folder / "gate.jsonl")
        self._beginnings: list[asyncio.Task[None]] = []

    async def run(
        self,
        faults: Sequence[Fault] = (),
        moved: Callable[[GateMove], None] | None = None,
        expected: Expected | None = None,
    ) -> BoxOutcome:
        """Let all parts pass.

        Args:
            faults: what goes wrong, from the first part on.
            moved: hears what the gate does.
            expected: what the server thinks of the pictures; it is asked where this is None.

        Raises:
            PlantError: a process does not begin, or the server refuses.
        """
        of_plc = tuple(one for one in faults if one.kind in PLC_FAULTS)
        self._layout = replace(self._layout.drawn(self._folder / "pictures"), plc_faults=of_plc)
        pictures = pictures_of(self._layout)
        if expected is None:
            server, of = self._server, self._layout
            expected = await expected_of(
                server.url, server.access, of.recipe, of.conveyor, pictures
            )
        async with self._cable, self._ended():
            self._write_station()
            self._layout.write(self._plant_file)
            for name in ("camera", "station"):
                self._start(name)
            await self._until_listening()
            self._start("plc")
            self._layout = await self._until_started()
            await self._play(faults, moved)
        moves = self._moves.all
        not_held = broken(self._layout.conveyor, pictures, expected.results, moves)
        waits = [wait_ms for one in moves if (wait_ms := self.wait_ms(one)) is not None]
        return BoxOutcome(moves, not_held, np.array(waits))

    def wait_ms(self, move: GateMove) -> float | None:
        """From a part's trigger to the PLC's reading of its result; None if it has read none."""
        if move.result_s is None:
            return None
        return (move.result_s - self._layout.conveyor.triggered_s(move.part)) * 1000

    def _write_station(self) -> None:
        said: dict[str, dict[str, Any]] = {
            "station": {
                "name": "plant",
                "server": self._server.url,
                "log": str(self._folder / "station.jsonl"),
            },
            "cycle": {
                "result_ms": self._result_ms,
                "picture_ms": 1000 * PICTURE_SHARE * self._layout.conveyor.every_s,
                "heartbeat_ms": HEARTBEAT_MS,
            },
            "plc": {"port": self._station_port},
            f"cameras.{VIEW}": {"snapshot": f"http://127.0.0.1:{self._camera_port}/now.jpg"},
        }
        if (key := self._server.access.get("key")) is not None:
            key_file = self._folder / "key"
            key_file.touch(mode=0o600)
            key_file.write_text(key)
            said["station"]["key_file"] = str(key_file)
        files = {
            "cafile": self._server.access.get("cafile"),
            "certfile": self._server.access.get("certfile"),
        }
        said["station"] |= {name: os.fspath(file) for name, file in files.items() if file}
        (self._folder / "station.toml").write_text(_toml(said))

    def _start(self, name: str) -> None:
        module, plant = [sys.executable, "-m"], str(self._plant_file)
        ack_ms = 1000 * _ACK_SHARE * self._layout.conveyor.every_s
        times = [str(HEARTBEAT_MS), str(ack_ms)]
        of_plc = [str(self._cable.port), plant, *times, str(self._moves.path)]
        commands = {
            "camera": [*module, "takt_station.plant.camera", str(self._camera_port), plant],
            "station": [*COMMAND, "station", str(self._folder / "station.toml"), "--quiet"],
            "plc": [*module, "takt_station.plant.plc", *of_plc],
        }
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                commands[name], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace").strip()

    async def _until_listening(self) -> None:
        until_s = time.monotonic() + _TELLS_S
        while time.monotonic() < until_s:
            if self._processes["station"].poll() is not None:
                break
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._station_port)
                writer.close()
                return
            await asyncio.sleep(_LOOK_S)
        raise PlantError(f"the station does not begin: {self._log('station') or 'it says nothing'}")

    async def _until_started(self) -> PlantLayout:
        """The plant once its conveyor moves; the PLC starts it when the station is ready."""
        until_s = time.monotonic() + _READY_S
        while time.monotonic() < until_s:
            layout = PlantLayout.read(self._plant_file)
            if layout.conveyor.start_s != math.inf:
                return layout
            await asyncio.sleep(_LOOK_S)
        said = [f"{name}: {log}" for name in self._processes if (log := self._log(name))]
        why = "\n".join(said) or "nobody says why"
        raise PlantError(f"the station is not ready for a part; {why}")

    async def _play(
        self, faults: Sequence[Fault], moved: Callable[[GateMove], None] | None
    ) -> None:
        """Have faults begin and end, until the PLC has seen the last part at the gate."""
        conveyor = self._layout.conveyor
        begins = sorted(faults, key=lambda one: one.at_s)
        standing: list[Fault] = []
        last_s = conveyor.gate_at_s(conveyor.parts) + 30
        while self._processes["plc"].poll() != 0:
            now_s = time.monotonic() - conveyor.start_s
            for one in [one for one in standing if not one.holds(now_s)]:
                standing.remove(one)
                self._mend(one.kind)
            while begins and begins[0].at_s <= now_s:
                standing.append(begins.pop(0))
                self._break(standing[-1].kind)
            self._tell(moved)
            ended = self._processes["plc"].poll()
            if time.monotonic() > last_s or (ended not in (None, 0) and not standing):
                raise PlantError(f"the PLC has not seen the last part: {self._log('plc')[-2000:]}")
            await asyncio.sleep(_LOOK_S)
        # What it has written since the last look, as its end.
        self._tell(moved)

    def _tell(self, moved: Callable[[GateMove], None] | None) -> None:
        """Tell what the gate has done since."""
        for move in self._moves.read():
            if moved is not None:
                moved(move)

    def _break(self, kind: FaultKind) -> None:
        match kind:
            case _ if kind in _ENDED:
                self._processes[_ENDED[kind]].kill()
                self._processes[_ENDED[kind]].wait()
            case FaultKind.NETWORK_CUT:
                self._cable.cut()
            case FaultKind.SERVER_GONE if self._server.own is not None:
                self._server.own.signal(signal.SIGSTOP)
            case FaultKind.SERVER_KILLED if self._server.own is not None:
                self._server.own.signal(signal.SIGKILL)
            case _ if kind in PLC_FAULTS:
                pass  # the PLC knows when
            case _:
                raise PlantError(f"processes cannot have the fault {kind}")

    def _mend(self, kind: FaultKind) -> None:
        match kind:
            case _ if kind in _ENDED:
                self._start(_ENDED[kind])
            case FaultKind.NETWORK_CUT:
                self._cable.mend()
            case FaultKind.SERVER_GONE if self._server.own is not None:
                self._server.own.signal(signal.SIGCONT)
            case FaultKind.SERVER_KILLED if self._server.own is not None:
                # The cable goes on meanwhile.
                beginning = asyncio.to_thread(self._server.own.begin_again)
                self._beginnings.append(asyncio.create_task(beginning))

    @asynccontextmanager
    async def _ended(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if self._server.own is not None:
                self._server.own.signal(signal.SIGCONT)
            # One that was killed again while it began has failed.
            await asyncio.gather(*self._beginnings, return_exceptions=True)
            for process in self._processes.values():
                process.terminate()
            for process in self._processes.values():
                try:
                    process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


class GateFile:
    """What a PLC has written of its gate, read as it grows.

    Args:
        path: of the file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.all: list[GateMove] = []
        self._read_bytes = 0

    def read(self) -> list[GateMove]:
        """The moves since the last call; a line that is not whole yet comes with the next."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._read_bytes)
            whole, end, _ = file.read().rpartition(b"\n")
        self._read_bytes += len(whole) + len(end)
        found = [GateMove(**orjson.loads(line)) for line in whole.splitlines()]
        self.all += found
        return found


def free_port() -> int:
    """A port on which nobody listens, on this machine."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _toml(said: Mapping[str, Mapping[str, Any]]) -> str:
    """Sections of texts and numbers; a text of JSON is one of TOML."""
    return "\n".join(
        f"[{section}]\n" + "".join(f"{key} = {orjson.dumps(one).decode()}\n" for key, one in keys)
        for section, keys in ((name, values.items()) for name, values in said.items())
    )
