"""The terminals of one user: a shell in which commands run, and a server that goes on beside it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

READY_S = 120
STEP_S = 900
_KEPT = ("HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_KEPT_PREFIXES = ("PIP_", "PYENV_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_SAYS_ITS_END = "the first hour: status"


class StepError(Exception):
    """A step did not do what its page says."""


@dataclass(frozen=True)
class Ran:
    """What came of a command."""

    output: str
    status: int
    seconds: float


class Terminal:
    """A shell in a folder, without a virtual environment, that keeps what is set in it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self._output = folder.with_suffix(".output")
        self._log = folder.with_suffix(".log")
        self._server: int | None = None
        environment = clean_environment(dict(os.environ))
        if port != 8000:
            environment["TAKT_PORT"] = str(port)
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            start_new_session=True,
            # Whoever runs in the background ignores Ctrl-C, and so would all that they start.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, command: str, seconds: float = STEP_S) -> Ran:
        """Run a command to its end."""
        started_s = time.perf_counter()
        said = self._ask(f"{{ {command}\n}} > '{self._output}' 2>&1 < /dev/null", seconds)
        took_s = time.perf_counter() - started_s
        return Ran(self._output.read_text("utf-8", "replace"), int(said), took_s)

    def serve(self, command: str, *, has_model: bool = True) -> Ran:
        """Start a server as in a terminal of its own, and wait until its models answer.

        One without a model is waited for until it is live.
        """
        if self._server is not None:
            raise StepError("a server runs already; the page does not say that it is ended")
        started_s = time.perf_counter()
        background = f"{{ {command}\n}} > '{self._log}' 2>&1 < /dev/null &"
        # -m: it is a group of its own, which Ctrl-C ends as a whole.
        self._ask(f"set -m\n{background}\nset +m\necho $! > '{self._output}'", 10)
        self._server = int(self._output.read_text())
        path = "/health/ready" if has_model else "/health/live"
        while not self._answers(path):
            if time.perf_counter() - started_s > READY_S or not self._serves():
                raise StepError(f"{path} is not answered:\n{self.log()}")
            time.sleep(0.05)
        return Ran(self.log(), 0, time.perf_counter() - started_s)

    def end_server(self) -> None:
        """Ctrl-C in the server's terminal, if there is one; waits until it has ended."""
        group, self._server = self._server, None
        if group is None:
            return
        for number, patience_s in ((signal.SIGINT, 60), (signal.SIGKILL, 10)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, number)
            until_s = time.monotonic() + patience_s
            while time.monotonic() < until_s:
                try:
                    os.killpg(group, 0)
                except ProcessLookupError:
                    if number == signal.SIGKILL:
                        raise StepError("the server did not end by Ctrl-C") from None
                    return
                time.sleep(0.05)

    def status(self, path: str) -> int:
        """Status of a page of the server, as a browser gets it."""
        try:
            with _DIRECT.open(f"{self.url}{path}", timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def log(self) -> str:
        """The end of what the server has said."""
        return self._log.read_text("utf-8", "replace")[-3000:] if self._log.exists() else ""

    def close(self) -> None:
        """End the server and the shell, whatever they do."""
        try:
            self.end_server()
        finally:
            self._kill()
            self._shell.wait()
            for pipe in (self._shell.stdin, self._shell.stdout):
                if pipe is not None:
                    pipe.close()

    def _ask(self, line: str, seconds: float) -> str:
        """Run a line of the shell; its status, as text."""
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.write(f'{line}\necho "{_SAYS_ITS_END} $?"\n')
        self._shell.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self._shell.stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                self._kill()
                raise StepError(f"it has not ended after {seconds:.0f} s:\n{self._last_output()}")
        answer = self._shell.stdout.readline()
        if not answer.startswith(_SAYS_ITS_END):
            raise StepError(f"the shell has ended:\n{self._last_output()}")
        return answer.removeprefix(_SAYS_ITS_END).strip()

    def _kill(self) -> None:
        """End the shell, with what runs in it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)

    def _last_output(self) -> str:
        return self._output.read_text("utf-8", "replace")[-3000:] if self._output.exists() else ""

    def _serves(self) -> bool:
        assert self._server is not None
        try:
            os.killpg(self._server, 0)
        except ProcessLookupError:
            return False
        return True

    def _answers(self, path: str) -> bool:
        with contextlib.suppress(OSError):
            return self.status(path) == 200
        return False


@contextlib.contextmanager
def terminal(folder: Path, port: int) -> Iterator[Terminal]:
    """A terminal that is closed at the end."""
    opened = Terminal(folder, port)
    try:
        yield opened
    finally:
        opened.close()


def clean_environment(given: dict[str, str]) -> dict[str, str]:
    """The environment of somebody who has just logged in: no virtual environment, no setting.

    >>> clean_environment({"PATH": "/v/bin:/bin", "VIRTUAL_ENV": "/v", "TAKT_KEY": "k"})
    {'PATH': '/bin'}
    """
    environment = {
        name: value
        for name, value in given.items()
        if name in _KEPT or name.upper().startswith(_KEPT_PREFIXES)
    }
    places = [place for place in given.get("PATH", "").split(":") if place]
    outside = [place for place in places if not _in_virtual_environment(place, given)]
    return environment | {"PATH": ":".join(outside)}


def _in_virtual_environment(place: str, given: dict[str, str]) -> bool:
    named = given.get("VIRTUAL_ENV")
    within = named is not None and Path(place).is_relative_to(named)
    return within or (Path(place).parent / "pyvenv.cfg").exists()
