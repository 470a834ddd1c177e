"""One run of wrk: one thread, kept connections, each client asks again when it has its answer."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.figures import Run
from benchmarks.peers.places import HERE
from benchmarks.peers.processes import favour, machine_busy_s
from benchmarks.peers.server import Server

MARK = "@@"
"""Before the line of figures; post.lua writes it."""


def run_load(server: Server, width: int, clients: int, run_s: int, nice: int) -> Run:
    """Post the picture of a width for some seconds.

    Args:
        server: that is asked.
        width: of the picture.
        clients: connections, each with one request at a time.
        run_s: length of the run.
        nice: weight of wrk among other processes.
    """
    before = _Used.now(server)
    figures = _wrk(server, width, clients, run_s, nice)
    used = _Used.now(server).since(before)
    foreign_s = used.machine_s - used.server_s - used.wrk_s
    return Run(
        **figures,
        cpu_s=used.server_s,
        foreign=max(0.0, foreign_s) / (used.wall_s * (os.cpu_count() or 1)),
    )


@dataclass(frozen=True, slots=True)
class _Used:
    wall_s: float
    machine_s: float
    server_s: float
    wrk_s: float

    @classmethod
    def now(cls, server: Server) -> _Used:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(
            wall_s=time.monotonic(),
            machine_s=machine_busy_s(),
            server_s=server.tree.cpu_s(),
            wrk_s=ended.ru_utime + ended.ru_stime,
        )

    def since(self, before: _Used) -> _Used:
        return _Used(
            self.wall_s - before.wall_s,
            self.machine_s - before.machine_s,
            self.server_s - before.server_s,
            self.wrk_s - before.wrk_s,
        )


def _wrk(server: Server, width: int, clients: int, run_s: int, nice: int) -> dict[str, Any]:
    """Run it; the fields of `Run` that it measures."""
    asked = server.payloads[width]
    headers = "\n".join(f"{name}: {value}" for name, value in asked.headers.items())
    options = [
        "-t1",
        f"-c{clients}",
        f"-d{run_s}s",
        "--timeout",
        "10s",
        "-s",
        str(HERE / "post.lua"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body"
        body.write_bytes(asked.body)
        process = subprocess.Popen(
            ["wrk", *options, server.url],
            env={**os.environ, "WRK_BODY": str(body), "WRK_HEADERS": headers},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        favour(process.pid, nice)
        output, _ = process.communicate()
    for line in output.splitlines():
        if line.startswith(MARK):
            figures: dict[str, Any] = json.loads(line.removeprefix(MARK))
            return figures
    raise SystemExit(f"wrk gave no figures:\n{output}")
