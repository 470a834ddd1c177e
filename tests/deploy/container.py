"""A server's container without a container engine: its command, variables and mounts, run here.

What is mounted lies in folders of this host, whose paths take the place of those in the container.
Ports are free ones. What an image adds stands in its Dockerfile.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.deploy.dockerfile import assignments, stages
from tests.deploy.live_prometheus import eventually

ROOT = Path(__file__).parents[2]

_READY_WITHIN_S = 120
_KEPT = {"PATH", "HOME"}
"""Variables whose value here is this host's."""


@dataclass
class Running:
    """A server process that was started as its container would be.

    Attributes:
        process: the server.
        log: lines that it has written.
        urls: by the name of a port, `http`, `metrics` or `grpc`.
    """

    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)
    urls: dict[str, str] = field(default_factory=dict)


def image_of(kind: str) -> tuple[list[str], dict[str, str]]:
    """Command and variables of the image `cpu` or `gpu`."""
    stage = stages((ROOT / f"docker/{kind}.Dockerfile").read_text(encoding="utf-8"))[-1]
    variables = dict(
        pair for step in stage.steps if step.name == "ENV" for pair in assignments(step.text)
    )
    return stage.only("CMD").array(), variables


def here(value: str, mounts: Mapping[str, Path]) -> str:
    """A variable's value, with the place of this host where it is a path in the container."""
    for inside, place in mounts.items():
        if value == inside or value.startswith(f"{inside}/"):
            return f"{place}{value.removeprefix(inside)}"
    return value


@contextmanager
def started(
    variables: Mapping[str, str], mounts: Mapping[str, Path], kind: str = "cpu"
) -> Iterator[Running]:
    """The command of an image, from the moment it listens.

    Args:
        variables: of the container, beside those of the image.
        mounts: by path in the container, folders of this host.
        kind: of the image.
    """
    (program, *arguments), own = image_of(kind)
    given = {name: value for name, value in (own | dict(variables)).items() if name not in _KEPT}
    # Every path that the server is given is one of a mount.
    environment = {name: here(value, mounts) for name, value in given.items()}
    environment |= {"TAKT_PORT": "0", "TAKT_LOG_FORMAT": "json", "HOME": str(mounts["/tmp"])}
    further = {"TAKT_METRICS_PORT": "metrics", "TAKT_GRPC_PORT": "grpc"}
    named = {"http"} | {port for name, port in further.items() if name in environment}
    environment |= {name: "0" for name in further if name in environment}
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    process = subprocess.Popen(
        command, cwd=mounts["/tmp"], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    running = Running(process)
    try:
        for line in process.stderr:
            running.log.append(line)
            _note_address(line, running.urls)
            if named == set(running.urls):
                break
        else:
            pytest.fail("the server ended:\n" + "".join(running.log))
        reader = threading.Thread(target=running.log.extend, args=(process.stderr,), daemon=True)
        reader.start()
        yield running
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def wait_until_it_answers(url: str, process: subprocess.Popen[str]) -> None:
    """Ask until the answer is one that a probe takes."""

    def answers() -> bool:
        assert process.poll() is None, "the server has ended"
        with contextlib.suppress(httpx.TransportError):
            return 200 <= httpx.get(url, timeout=5).status_code < 400
        return False

    eventually(answers, _READY_WITHIN_S)


def _note_address(line: str, urls: dict[str, str]) -> None:
    message = json.loads(line)["message"] if line.startswith("{") else line
    said_by = {"http": "running on", "metrics": "metrics are on", "grpc": "Protocol is on"}
    for name, said in said_by.items():
        if found := re.search(rf"{said} (\w+)://[^\s:]+:(\d+)", message):
            urls[name] = f"{found[1]}://127.0.0.1:{found[2]}"
