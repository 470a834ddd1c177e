"""A controller for Takt's station: a PLC that speaks lines of text over TCP."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from pydantic import Field

from takt_station.controllers import ControlledStation, ControllerSection
from takt_station.cycle.signals import Controls

SILENT_S = 2.0
"""A PLC that has said nothing for so long is gone."""

IDLE = Controls(trigger_enable=True, buffer_results=True)


class LinesSection(ControllerSection):
    """The server to which the PLC connects."""

    address: str = Field("127.0.0.1", description="Address that it listens on.")
    port: int = Field(5020, ge=0, le=65535, description="Its port; 0 takes a free one.")

    def controller(self, station: ControlledStation) -> LinesController:
        """What the station calls."""
        return LinesController(self, station)


class LinesController:
    """Hears `TRIGGER PART [LOT [CODE]]`, `RECIPE NUMBER`, `CLEAR` and `PING` from one PLC."""

    def __init__(self, section: LinesSection, station: ControlledStation) -> None:
        self._section, self._station = section, station
        self._said, self._state = IDLE, ""
        self._server: asyncio.Server | None = None
        self._plc: asyncio.StreamWriter | None = None

    async def start(self) -> str:
        """Begin to listen."""
        where = self._section.address, self._section.port
        self._server = await asyncio.start_server(self._serve, *where, limit=1000)
        return f"port {self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Close the connection, and listen no more."""
        if self._server is not None:
            self._server.close()
        if self._plc is not None:
            self._plc.transport.abort()

    def changed(self) -> None:
        """Tell the PLC what is new; results one after another, each acknowledged for it."""
        if self._plc is None:
            return
        while (status := self._station.status()).results_valid and status.result is not None:
            result = status.result
            said = f"{result.score:.4f}" if result.reason is None else result.reason.upper()
            self._tell(f"RESULT {result.part} {result.code.name} {said}")
            self._say(replace(self._said, results_ack=True), self._said)
        if self._said.execute_command and (status.command_done or status.command_failed):
            self._tell(f"RECIPE {self._said.command} {'SET' if status.command_done else 'UNKNOWN'}")
            self._say(IDLE)
        errors = ("fault", "overrun", "acquisition_error")
        wrong = [one.upper() for one in errors if getattr(status, one)]
        state = "ONLINE" if status.online else f"OFFLINE {status.offline_reason.name}"
        if (state := " ".join([state, *wrong])) != self._state:
            self._state = state
            self._tell(state)
        self._tell(f"BEAT {status.heartbeat}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._plc is not None:  # the same PLC, whose old connection the network still holds
            self._plc.transport.abort()
        self._plc, self._state = writer, ""
        self._say(IDLE)
        self.changed()
        try:
            while line := await asyncio.wait_for(reader.readline(), SILENT_S):
                self._hear(line.decode("utf-8", "replace").split())
        except (OSError, ValueError):  # it is silent or gone, or its line has no end
            pass
        finally:
            self._plc = None if self._plc is writer else self._plc
            writer.transport.abort()

    def _hear(self, words: list[str]) -> None:
        match words:
            case ["TRIGGER", part, *texts] if part.isdecimal() and len(texts) <= 2:
                lot, code = (one if one.isascii() else None for one in [*texts, "", ""][:2])
                said = replace(self._said, trigger=True, part=int(part), lot=lot, code=code)
                self._say(said, self._said)
            case ["RECIPE", number] if number.isdecimal():
                self._say(IDLE, replace(IDLE, execute_command=True, command=int(number)))
            case ["CLEAR"]:
                self._say(replace(self._said, clear_error=True), self._said)
            case ["PING"]:
                self._say(self._said)
            case _:
                self._tell(f"WHAT {' '.join(words)[:80]}")

    def _say(self, *one_after_another: Controls) -> None:
        for said in one_after_another:
            self._said = said
            self._station.controls(said)

    def _tell(self, line: str) -> None:
        if self._plc is not None and not self._plc.is_closing():
            self._plc.write(f"{line}\n".encode())
            if self._plc.transport.get_write_buffer_size() > 65536:  # it does not read
                self._plc.transport.abort()
