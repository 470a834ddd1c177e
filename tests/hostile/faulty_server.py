"""Takt on a fake engine whose faults a file tells; run as a program.

The file has the name of a fault, the time of the monotonic clock until which it lasts, and a
number: `hang 123.5 0`. The monotonic clock is the same in every process of a machine.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from starlette.types import ASGIApp, Receive, Scope, Send

from takt.app import create_app
from takt.configuration import load_settings
from takt.core.bundles.bundle import Bundle
from takt.core.engines.base import Engine, EngineOutput
from takt.core.engines.fake import FakeEngine
from takt.core.engines.opener import engine_opener
from takt.observing.line_writer import LineWriter
from takt.observing.logging_setup import configure_logging
from takt.recording.record import open_record
from takt.server.listening import listening
from takt.server.run import run
from tests.hostile.bundle import FAMILY

READ_EVERY_S = 0.02
RUN_S = 0.002
"""Time that a batch takes; a fault in no time would show less."""


class Faults:
    """The fault that the file names, for as long as it lasts.

    Args:
        file: that is read again and again by a thread.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._fault: tuple[str, float, float] = ("", 0.0, 0.0)
        threading.Thread(target=self._read, daemon=True, name="faults").start()

    def now(self) -> str:
        """Name of the fault; empty without one."""
        name, until_s, _ = self._fault
        return name if time.monotonic() < until_s else ""

    def clock_offset_s(self) -> float:
        """By how much the wall clock is wrong."""
        return self._fault[2] if self.now() == "clock" else 0.0

    def _read(self) -> None:
        while True:
            with contextlib.suppress(OSError, ValueError):
                name, until_s, number = self._file.read_text("ascii").split()
                self._fault = (name, float(until_s), float(number))
            time.sleep(READ_EVERY_S)


class FaultyEngine(FakeEngine):
    """A fake engine that fails as told."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self._faults = faults

    def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
        """Run a batch, or fail in the way that is told."""
        time.sleep(RUN_S)
        fault = self._faults.now()
        if fault == "raise":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if fault == "hang":
            threading.Event().wait()
        if fault == "die":
            raise SystemExit("the engine's thread ends")
        if fault == "memory":
            np.empty(1 << 60, np.uint8)
        output = super().infer(images)
        self.batch_sizes.clear()
        if fault == "nan":
            return EngineOutput(
                np.full_like(output.anomaly_map, np.nan), np.full_like(output.score, np.nan)
            )
        if fault == "shape":
            return EngineOutput(output.anomaly_map[:, ::2, :8], output.score)
        return output


class Arrivals:
    """Writes down the id of each request that the app gets, before anything is done with it.

    Args:
        app: the application inside.
        file: takes an id a line.
    """

    def __init__(self, app: ASGIApp, file: BinaryIO) -> None:
        self._app = app
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        for name, value in scope.get("headers", ()):
            if name == b"x-request-id":
                with contextlib.suppress(OSError):  # the disk may be full
                    self._file.write(value + b"\n")
        await self._app(scope, receive, send)


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("repository", type=Path)
    parser.add_argument("faults", type=Path)
    parser.add_argument("arrived", type=Path)
    parser.add_argument("port", type=int)
    given = parser.parse_args()
    faults = Faults(given.faults)
    right_time = time.time
    time.time = lambda: right_time() + faults.clock_offset_s()  # the machine's own is not ours

    with (
        contextlib.closing(LineWriter(sys.stderr)) as writer,
        given.arrived.open("ab", buffering=0) as arrived,
    ):
        settings = load_settings(
            {"repository": given.repository, "port": given.port, "engine_instances": 2}
        )
        open_usual = engine_opener(settings.engine_options)

        def open_engine(bundle: Bundle) -> Engine:
            # What is learned while the server runs is no model of brightness.
            brightness = bundle.manifest.family == FAMILY
            return FaultyEngine(faults) if brightness else open_usual(bundle).engine

        record = open_record(settings.data_folder, settings.record)
        app = create_app(settings, open_engine, write=writer.put, record=record)
        app.layers.append(partial(Arrivals, file=arrived))
        configure_logging(settings.log_level, settings.log_format, writer)
        with listening(settings) as sockets:
            run(app, settings, sockets, ended=writer.close)


if __name__ == "__main__":
    main()
