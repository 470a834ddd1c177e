"""A real server process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

TAKT = Path(sys.executable).with_name("takt")


@dataclass(frozen=True)
class Server:
    url: str
    process: subprocess.Popen[str]
    log: list[str]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


StartServer = Callable[..., AbstractContextManager[Server]]


@contextmanager
def run_server(repository: Path, *options: str) -> Iterator[Server]:
    """`takt serve` on a free port, from the moment its models are ready."""
    command = [str(TAKT), "serve", "--repository", str(repository), "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    log: list[str] = []
    url, ready = "", False
    try:
        for line in process.stderr:
            log.append(line)
            found = re.search(r"running on (http://\S+)", line)
            url = found[1] if found else url
            ready = ready or " is ready on " in line
            if url and ready:
                break
        else:
            pytest.fail("the server ended:\n" + "".join(log))
        reader = threading.Thread(target=log.extend, args=(process.stderr,), daemon=True)
        reader.start()
        yield Server(url, process, log)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture
def start_server() -> StartServer:
    return run_server
