"""A cluster of Ray on this host: two raylets, each of which may be killed as a machine would be."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = Path(os.environ.get("RAY_VENV", ROOT / "out" / "ray"))
"""Has Takt with the extra `ray`; `make test-ray` makes it."""

NODE_CPUS = 2
WORKER_GPUS = 1
"""That Ray is told of, whether there is one or not."""
WITHIN_S = 120.0
_STORE_BYTES = 80_000_000
_PER_S = "1"
"""Ray tells the number of replicas from figures that it gets every ten seconds otherwise."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Node:
    """One raylet and all that it started, with its own proxy.

    Attributes:
        url: of its proxy.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._process = process

    def processes(self) -> dict[int, str]:
        """Command lines of its processes, by number."""
        parents, commands = {}, {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                pid = int(folder.name)
                # The name before the last bracket may hold anything.
                parents[pid] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                commands[pid] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        found = [self._process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return {pid: commands.get(pid, "") for pid in found}

    def replicas(self) -> list[int]:
        """Processes of the replicas that run here."""
        return [pid for pid, line in self.processes().items() if "ServeReplica:" in line]

    def kill(self) -> None:
        """End all of it at once, as a machine that loses its power."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


class TwoNodes:
    """A head and a worker; the proxies of both listen on this host.

    Attributes:
        head: has Ray's controller.
        worker: may be killed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._nodes: list[Node] = []
        self._gcs, *self._ports = free_ports(3)
        self._address = f"127.0.0.1:{self._gcs}"

    def start(self) -> None:
        """Start both nodes."""
        head = ("--head", f"--port={self._gcs}", "--include-dashboard=false")
        self.head = self._start(self._ports[0], *head, f"--temp-dir={self._folder}")
        self.add_worker()

    def add_worker(self) -> None:
        """Start a worker, the first one or another after that was killed."""
        self.worker = self._start(
            self._ports[1], f"--address={self._address}", f"--num-gpus={WORKER_GPUS}"
        )

    def close(self) -> None:
        """End all processes."""
        for node in reversed(self._nodes):
            node.kill()

    def replicas(self) -> list[int]:
        """Processes of all replicas."""
        return [pid for node in (self.head, self.worker) for pid in node.replicas()]

    def started(self) -> set[str]:
        """Logs of all replicas that were ever started, those that could not serve among them."""
        logs = (self._folder / "session_latest" / "logs" / "serve").glob("replica_*")
        return {file.name for file in logs}

    def deploy(self, *applications: dict[str, Any]) -> None:
        """Put applications in place of those that are there, as `serve run` does."""
        config = {
            "proxy_location": "EveryNode",
            "http_options": {"host": "127.0.0.1", "port": self._ports[0]},
            "applications": applications,
        }
        file = self._folder / "serve.yaml"
        file.write_text(json.dumps(config))
        self._call("serve", "run", "--non-blocking", f"--address={self._address}", str(file))

    def _call(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [ENVIRONMENT / "bin" / program, *arguments],
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _start(self, port: int, *options: str) -> Node:
        command = [ENVIRONMENT / "bin" / "ray", "start", "--block", f"--num-cpus={NODE_CPUS}"]
        with (self._folder / f"node-{port}.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, f"--object-store-memory={_STORE_BYTES}", *options],
                env=_environment() | {"RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(port)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        node = Node(process, port)
        self._nodes.append(node)
        until(lambda: any("raylet/raylet" in line for line in node.processes().values()))
        return node


def _environment() -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return inherited | {
        "RAY_AUTH_MODE": "disabled",  # It would write a token into the home folder.
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": _PER_S,
        "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": _PER_S,
        "OMP_NUM_THREADS": "1",
    }


def until(holds: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s, f"not so within {within_s:.0f} s: {holds}"
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Whether a server below a URL is ready."""
    try:
        return httpx.get(f"{url}/health/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """Start a cluster, and end it."""
    if not (ENVIRONMENT / "bin" / "serve").exists():
        pytest.skip("Ray is not installed; `make test-ray` installs it into out/ray")
    # The paths of Ray's sockets below it may not be long.
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    cluster = TwoNodes(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()
        shutil.rmtree(folder, ignore_errors=True)
