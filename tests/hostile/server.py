"""A real server process, and what Linux says of its memory and its descriptors."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.bundles import NAME, make_missing
from benchmarks.peers.places import Places, default_places
from takt.commands.bench.lean_http import Address
from takt.settings import Settings

MODEL = NAME
TAKT = Path(sys.executable).with_name("takt")
MAX_MEMORY_MB = 1024
"""Budget that the commands give the server, where it has such a setting."""

READY_WITHIN_S = 60.0
POLL_S = 0.02
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a process in MiB."""

    now_mib: float
    peak_mib: float


@dataclass(slots=True)
class Server:
    """A server that runs in a process of its own.

    Attributes:
        process: it, and nothing around it.
        address: where it listens.
        log: file with what it writes to stderr.
        start_mib: its resident memory when its models were ready.
    """

    process: subprocess.Popen[bytes]
    address: Address
    log: Path
    start_mib: float = 0.0

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    @property
    def url(self) -> str:
        """Its address as programs take it."""
        return f"http://{self.address.authority}"

    def memory(self) -> Memory:
        """What it takes now, and the most it took since `forget_peak`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        kib = {name: int(value) for name, value in re.findall(r"^(Vm\w+):\s+(\d+)", status, re.M)}
        return Memory(kib["VmRSS"] / _KIB, kib["VmHWM"] / _KIB)

    def forget_peak(self) -> None:
        """Let the peak begin anew at what it takes now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def descriptors(self) -> int:
        """Number of open descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_s(self) -> float:
        """Processor time that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def status(self, path: str, timeout_s: float = 5.0) -> int:
        """Status of a GET; 0 where no answer came."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=timeout_s) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def json(self, path: str) -> Any:
        """The JSON of a GET."""
        with urllib.request.urlopen(self.url + path, timeout=5) as response:
            return json.load(response)

    def limit(self, kind: int, soft: int) -> None:
        """Set a soft limit of the running process."""
        _, hard = resource.prlimit(self.process.pid, kind)
        resource.prlimit(self.process.pid, kind, (soft, hard))

    def tracebacks(self) -> int:
        """Number of tracebacks in its log."""
        return self.log.read_text("utf-8", errors="replace").count("Traceback (most recent")

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> float:
        """Wait until its models are ready; the seconds that took."""
        started_s = time.monotonic()
        while time.monotonic() - started_s < within_s:
            if not self.alive:
                raise SystemExit(f"the server ended:\n{self.log.read_text('utf-8')[-3000:]}")
            if self.status("/health/ready") == 200:
                return time.monotonic() - started_s
            time.sleep(POLL_S)
        raise SystemExit(f"the server was not ready in {within_s:.0f} s; its log is {self.log}")


@contextlib.contextmanager
def started(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    descriptors: int | None = None,
    log: Path | None = None,
    ready: bool = True,
) -> Iterator[Server]:
    """A server from its start to its end.

    Args:
        command: starts it on port 0 of 127.0.0.1.
        environment: added to that of this process.
        descriptors: limit of its open descriptors.
        log: file for its stderr; a temporary one if None.
        ready: whether to wait until its models are ready.
    """
    with tempfile.TemporaryDirectory(prefix="takt-hostile-") as folder:
        server = launch(
            command,
            log or Path(folder) / "log",
            environment=environment,
            descriptors=descriptors,
        )
        try:
            if ready:
                server.wait_ready()
                server.start_mib = server.memory().now_mib
                server.forget_peak()
            yield server
        finally:
            end(server.process)


def launch(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    descriptors: int | None = None,
) -> Server:
    """Start a server and wait until it listens; the caller ends it.

    Args:
        command: starts it on 127.0.0.1.
        log: file that its stderr is appended to.
        environment: added to that of this process.
        descriptors: limit of its open descriptors.
    """
    if descriptors is not None:
        command = ["prlimit", f"--nofile={descriptors}:{descriptors}", *command]
    with log.open("ab") as errors:
        begins_at = log.stat().st_size
        process = subprocess.Popen(
            [*map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={"TAKT_RECORD": "none", **os.environ, **(environment or {})},
        )
    try:
        return Server(process, _address(process, log, begins_at), log)
    except BaseException:
        end(process)
        raise


def end(process: subprocess.Popen[bytes], within_s: float = 10.0) -> None:
    """End a process, first with a request and then without."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(within_s)
    process.kill()
    process.wait()


def _address(process: subprocess.Popen[bytes], log: Path, begins_at: int) -> Address:
    started_s = time.monotonic()
    while time.monotonic() - started_s < READY_WITHIN_S:
        text = log.read_bytes()[begins_at:].decode(errors="replace")
        if found := re.search(r"running on http://([\d.]+):(\d+)", text):
            return Address(found[1], int(found[2]), tls=False, path="")
        if process.poll() is not None:
            raise SystemExit(f"the server ended before it listened:\n{text[-3000:]}")
        time.sleep(POLL_S)
    raise SystemExit(f"the server did not listen in {READY_WITHIN_S:.0f} s")


def bench_places() -> Places:
    """The folders of `benchmarks/peers`, with its pictures and bundles in them."""
    places = default_places()
    make_missing(places)
    return places


def has_setting(name: str) -> bool:
    """Whether this version of the service has a setting."""
    return name in Settings.model_fields


def serve_command(repository: Path, *options: str) -> list[str]:
    """`takt serve` with the layout of `benchmarks/peers`: two engines of one thread."""
    command = [str(TAKT), "serve", "--repository", str(repository), "--port", "0"]
    command += ["--engine-instances", "2", "--engine-threads", "1"]
    if "--record" not in options:
        command += ["--record", "none"]
    if has_setting("max_memory_mb") and "--max-memory-mb" not in options:
        command += ["--max-memory-mb", str(MAX_MEMORY_MB)]
    return [*command, *options]


@contextlib.contextmanager
def tiny_server(
    *options: str, descriptors: int | None = None, log: Path | None = None
) -> Iterator[Server]:
    """`takt serve` with the tiny model of `benchmarks/peers`."""
    repository = bench_places().repository("tiny", reduced=True)
    with started(serve_command(repository, *options), descriptors=descriptors, log=log) as server:
        yield server
