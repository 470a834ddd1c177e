"""`takt serve` of any version, on a free port of this host, until the block ends."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

READY_WITHIN_S = 120
END_WITHIN_S = 60
POLL_S = 0.1
LOG_LINES = 20

OPTIONS = (
    "--engine", "onnxruntime", "--engine-instances", "1", "--engine-threads", "1",
    "--max-batch-size", "1", "--timeout-ms", "300000", "--log-level", "warning",
)  # fmt: skip
"""One engine and one picture a batch, as sums in another order may end in another last digit."""


@contextlib.contextmanager
def serving(takt: Path, repository: Path) -> Iterator[str]:
    """Start a server, wait until its models are ready, and end it; gives its address.

    Args:
        takt: the command, of the environment whose code is to answer.
        repository: folder of bundles.

    Raises:
        SystemExit: it does not get ready.
    """
    port = _free_port()
    command = [_absolute(takt), "serve", "--repository", repository.resolve(), "--port", port]
    command += ["--record", "none"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("TAKT_")}
    own.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*map(str, command), *OPTIONS], stdout=file, stderr=file, env=own, cwd=folder
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, log)
            yield url
        finally:
            _end(process)


def _absolute(takt: Path) -> Path:
    # Not resolved: the environment is found by where the command lies, not by what it links to.
    return Path.cwd() / takt


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    started_s = time.monotonic()
    while process.poll() is None and time.monotonic() - started_s < READY_WITHIN_S:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/health/ready", trust_env=False).is_success:
                return
        time.sleep(POLL_S)
    last = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    raise SystemExit("the server did not get ready:\n" + "\n".join(last))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
