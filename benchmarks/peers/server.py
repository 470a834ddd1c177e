"""A system that has been started, as the comparison handles it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping

from benchmarks.peers.assets import HEIGHTS
from benchmarks.peers.payload import Payload, payload, score_of
from benchmarks.peers.places import Places
from benchmarks.peers.processes import Tree
from benchmarks.peers.systems import System

READY_WITHIN_S = 90
POLL_S = 0.05
END_WITHIN_S = 15
ANSWER_WITHIN_S = 20


class Server:
    """Answers on its own port.

    Attributes:
        url: that pictures are posted to.
        payloads: by the width of the picture.
        tree: its processes.
        start_s: from its start to its first answer.
    """

    def __init__(self, system: System, url: str, process: subprocess.Popen[bytes], places: Places):
        self.system = system
        self.url = url
        self.tree = Tree(process.pid)
        self.payloads: dict[int, Payload] = {
            width: payload(system.form, places.picture(width).read_bytes(), system.headers)
            for width in HEIGHTS
        }
        self.start_s = 0.0
        self._process = process

    def score(self, width: int) -> float:
        """The score that it gives to the picture of a width.

        Raises:
            OSError: it refused, or does not answer.
        """
        asked = self.payloads[width]
        request = urllib.request.Request(self.url, asked.body, dict(asked.headers))
        with urllib.request.urlopen(request, timeout=ANSWER_WITHIN_S) as response:
            return score_of(json.load(response))

    def pause(self) -> None:
        """Stop it, if it bears that."""
        if self.system.pausable:
            self.tree.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        if self.system.pausable:
            self.tree.send(signal.SIGCONT)

    def wait(self) -> None:
        """Until it has answered once."""
        started_s = time.monotonic()
        while time.monotonic() - started_s < READY_WITHIN_S:
            if self._process.poll() is not None:
                raise SystemExit(f"{self.system.name} ended before it answered; see its log")
            try:
                self.score(min(HEIGHTS))
            except OSError:
                time.sleep(POLL_S)
                continue
            self.start_s = time.monotonic() - started_s
            return
        raise SystemExit(f"{self.system.name} did not answer in {READY_WITHIN_S} s; see its log")

    def close(self) -> None:
        """Ask it to end, then make it."""
        self.resume()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_WITHIN_S)
        self.tree.kill_seen()
        self._process.wait()


@contextlib.contextmanager
def started(
    system: System, port: int, model: str, places: Places, more: Mapping[str, str], nice: int
) -> Iterator[Server]:
    """Start a system, wait for its first answer, and end it.

    Args:
        system: to start.
        port: on 127.0.0.1.
        model: `tiny` or `null`.
        places: of the graphs, and for its log.
        more: environment, over the system's own.
        nice: weight of its processes among others.
    """
    if not system.python.exists():
        raise SystemExit(f"{system.name} is not installed: benchmarks/peers/setup.sh {system.name}")
    _refuse_taken(port)
    environment = {
        **os.environ,
        "BENCH_ASSETS": str(places.assets),
        "BENCH_MODEL": model,
        "BENCH_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "PATH": f"{system.python.parent}{os.pathsep}{os.environ['PATH']}",
        **system.environment,
        **more,
    }
    with (places.results / f"{system.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [system.python, system.script],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=places.out,
        )
        server = Server(system, f"http://127.0.0.1:{port}{system.path}", process, places)
        try:
            server.tree.favour(nice)
            server.wait()
            server.tree.favour(nice)
            yield server
        finally:
            server.close()


def _refuse_taken(port: int) -> None:
    """A server left over on the port would be measured instead."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SystemExit(f"port {port} is taken; end what listens there") from error
