"""The two generators: `wrk` for a time, `h2load` for an exact number of requests."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.load import MARK
from benchmarks.peers.places import HERE as PEERS

CLIENTS = 32
PICTURE = "Content-Type: image/jpeg"
_SOCKET_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_REQUESTS = re.compile(r"requests: (\d+) total, \d+ started, \d+ done, \d+ succeeded, (\d+) failed")
_STATUS = re.compile(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx")


@dataclass(frozen=True)
class Target:
    """What is asked for.

    Attributes:
        url: that the picture is posted to.
        picture: the file.
    """

    url: str
    picture: Path


@dataclass(frozen=True)
class Timed:
    """A run of wrk.

    Attributes:
        requests: answered.
        run_s: length of the run.
        p99_ms: of the answers.
        broken: connections that ended, or timed out, with a request on them.
        refused: connections that could not be made.
        other: answers with another status than 200.
    """

    requests: int
    run_s: float
    p99_ms: float
    broken: int
    refused: int
    other: int

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return self.requests / self.run_s


@dataclass(frozen=True)
class Exact:
    """A run of h2load.

    Attributes:
        asked: requests that were to be sent.
        failed: that had no answer.
        answered: answers of 200 to 299.
        other: answers of another status.
    """

    asked: int
    failed: int
    answered: int
    other: int


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A generator in the background, killed if it is left early."""
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def wrk(target: Target, seconds: int) -> Iterator[subprocess.Popen[str]]:
    """`wrk` in the background; `timed` reads what it says."""
    command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(PEERS / "post.lua"), target.url]
    environment = {"WRK_BODY": str(target.picture), "WRK_HEADERS": PICTURE}
    with running(command, environment) as process:
        yield process


@contextmanager
def h2load(target: Target, requests: int) -> Iterator[subprocess.Popen[str]]:
    """`h2load` in the background; `exact` reads what it says."""
    command = ["h2load", "--h1", "-n", str(requests), "-c", str(CLIENTS), "-H", PICTURE]
    command += ["-d", str(target.picture), target.url]
    with running(command, {}) as process:
        yield process


def timed(output: str) -> Timed:
    r"""What wrk has said with the peers' script.

    >>> line = '@@{"requests":90,"run_s":2.0,"p99_ms":7.5,"refused":0}'
    >>> timed("  Socket errors: connect 0, read 15, write 0, timeout 1\n" + line).broken
    16
    """
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    if not lines:
        raise SystemExit(f"wrk gave no figures:\n{output}")
    figures = json.loads(lines[0].removeprefix(MARK))
    errors = _SOCKET_ERRORS.search(output)
    connect, *others = map(int, errors.groups()) if errors else (0, 0)
    return Timed(
        requests=figures["requests"],
        run_s=figures["run_s"],
        p99_ms=figures["p99_ms"],
        broken=sum(others),
        refused=connect,
        other=figures["refused"],
    )


def exact(output: str) -> Exact:
    r"""What h2load has said.

    >>> said = "requests: 9 total, 9 started, 8 done, 8 succeeded, 1 failed, 1 errored, 0 timeout"
    >>> exact(said + "\nstatus codes: 8 2xx, 0 3xx, 0 4xx, 0 5xx")
    Exact(asked=9, failed=1, answered=8, other=0)
    """
    requests, status = _REQUESTS.search(output), _STATUS.search(output)
    if not requests or not status:
        raise SystemExit(f"h2load gave no figures:\n{output}")
    answered, *others = map(int, status.groups())
    return Exact(int(requests[1]), int(requests[2]), answered, sum(others))
