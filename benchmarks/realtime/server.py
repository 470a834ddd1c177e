"""A Takt server for a benchmark: started, watched and stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TAKT = Path(sys.executable).with_name("takt")
START_S = 120.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class TaktServer:
    """`with TaktServer(repository, ...) as server:` runs `takt serve` on a free port.

    Args:
        repository: folder of bundles.
        options: further ones of `takt serve`.

    Raises:
        SystemExit: the server ended or was not ready in time.
    """

    def __init__(self, repository: Path, *options: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._log = Path(self._folder.name) / "server.log"
        kept = () if "--record" in options else ("--record", "none")
        command = [
            str(TAKT),
            "serve",
            "--repository",
            str(repository),
            "--port",
            "0",
            *kept,
            *options,
        ]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self.url = ""

    def __enter__(self) -> Self:
        """The server, once every model is ready."""
        give_up_s = time.monotonic() + START_S
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > give_up_s:
                self._stop()
                raise SystemExit(f"the server did not get ready:\n{self._said()}")
            time.sleep(0.1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        return self._process.pid

    @property
    def cpu_s(self) -> float:
        """Processor time that it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, such as to stop and go on."""
        self._process.send_signal(number)

    def memory_mib(self, kind: str = "VmRSS") -> float:
        """Resident memory, or its peak as `VmHWM`."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.findall(rf"^{kind}:\s+(\d+) kB", status, re.MULTILINE)[0]) / 1024

    def bench(self, *options: str) -> dict[str, Any]:
        """The figures of `takt bench` against it."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "figures.json"
            command = [str(TAKT), "bench", self.url, *options, "--json", str(out)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if not out.exists():
                raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
            figures: dict[str, Any] = json.loads(out.read_bytes())["figures"]
            return figures

    def engine_seconds(self) -> tuple[float, float]:
        """Seconds that engines ran, and the batches, as its metrics count them."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        busy = _sum(text, "takt_engine_busy_seconds_total")
        return busy, _sum(text, "takt_batch_size_count")

    def _ready(self) -> bool:
        if not self.url:
            found = re.search(r"running on (http://\S+)", self._said())
            if not found:
                return False
            self.url = found.group(1)
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=10) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _said(self) -> str:
        return self._log.read_text()

    def _stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(40)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _sum(metrics: str, name: str) -> float:
    lines = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", metrics, re.MULTILINE)
    return sum(float(value) for value in lines)
