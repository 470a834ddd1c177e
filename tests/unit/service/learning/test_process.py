import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from takt.core.errors import TaktError
from takt.learning.process import LEARN, environment, run_to_its_end
from tests.api.apps import until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return tmp_path


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


async def run(code: str, folder: Path) -> tuple[int, list[Any], list[str]]:
    told: list[Any] = []
    logged: list[str] = []
    ended = await run_to_its_end(python(code), folder, told.append, logged.append)
    return ended, told, logged


async def test_objects_are_told_and_everything_else_is_logged(folder: Path) -> None:
    code = (
        "import sys\n"
        "print('{\"event\": \"a\"}'); print('hello'); print('{broken'); print('[1]')\n"
        "print('50 %\\r60 %', file=sys.stderr); print('x' * 1_000_000, file=sys.stderr)\n"
        "sys.exit(3)"
    )
    ended, told, logged = await run(code, folder)
    assert (ended, told) == (3, [{"event": "a"}])
    assert {"hello", "{broken", "[1]", "50 %", "60 %"} < set(logged)
    assert max(map(len, logged)) < 200_000


async def test_a_result_may_name_hundreds_of_pictures(folder: Path) -> None:
    code = "import json; print(json.dumps({'event': 'result', 'pictures': ['p' * 1000] * 500}))"
    _, told, _ = await run(code, folder)
    assert [len(one["pictures"]) for one in told] == [500]


async def test_a_line_that_is_no_object_is_cut(folder: Path) -> None:
    _, _, logged = await run("print('{' + 'x' * 500_000)", folder)
    assert [len(line) for line in logged] == [65_536]


async def test_a_process_that_is_killed_is_told_by_the_signal(folder: Path) -> None:
    ended, _, _ = await run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", folder)
    assert ended == -signal.SIGKILL


async def test_a_process_that_takes_more_memory_than_it_may_is_ended(folder: Path) -> None:
    # It would end by itself after a minute.
    code = "taken = bytearray(b'x' * (96 << 20)); import time; time.sleep(60)"
    nothing: list[Any] = []
    with pytest.raises(TaktError, match="more than 48 MB of memory"):
        await run_to_its_end(python(code), folder, nothing.append, nothing.append, 48 << 20)


async def test_a_process_within_its_memory_ends_as_ever(folder: Path) -> None:
    nothing: list[Any] = []
    code = await run_to_its_end(
        python("raise SystemExit(3)"), folder, nothing.append, nothing.append, 1 << 30
    )
    assert code == 3


async def test_it_ends_with_what_it_started_where_it_is_cancelled(folder: Path) -> None:
    notes = folder / "notes"
    code = (
        "import os, pathlib, signal, subprocess, sys\n"
        "one = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        f"part = pathlib.Path({str(folder / 'part')!r})\n"
        "part.write_text(f'{os.getpid()} {one.pid}')\n"
        f"part.rename({str(notes)!r})\n"
        "signal.pause()"
    )
    running = asyncio.create_task(run(code, folder))
    await until(notes.exists)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    first, second = notes.read_text().split()
    await until(lambda: all(_ended(int(one)) for one in (first, second)))


def test_it_ends_with_a_server_that_is_killed(folder: Path) -> None:
    server = (
        "import asyncio, pathlib\n"
        "from takt.learning.process import run_to_its_end\n"
        f"asyncio.run(run_to_its_end({python(_tells_its_number())!r}, "
        f"pathlib.Path({str(folder)!r}), lambda event: print(event['number'], flush=True), print))"
    )
    process = subprocess.Popen(python(server), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout:
        number = int(process.stdout.readline())
        learner = os.pidfd_open(number)
        process.kill()
        process.wait()
        assert _readable(learner), "it outlives the server"
        os.close(learner)


def _tells_its_number() -> str:
    return (
        "import json, os, signal\n"
        "print(json.dumps({'number': os.getpid()}), flush=True)\n"
        "signal.pause()"
    )


def _readable(descriptor: int) -> bool:
    """Whether the process of a descriptor ends within a while."""
    ready, _, _ = select.select([descriptor], [], [], 30)
    return bool(ready)


def _ended(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_no_key_and_no_password_goes_along() -> None:
    given = {"TAKT_KEYS": "k", "TAKT_RECORD": "postgresql://me:word@host/db", "PATH": "/bin"}
    given |= {"AWS_SECRET_ACCESS_KEY": "s", "TMPDIR": "/elsewhere"}
    assert environment(Path("/t"), given) == {"PATH": "/bin", "TMPDIR": "/t"}


@pytest.mark.torch
def test_the_command_is_the_one_that_people_run(folder: Path) -> None:
    said = subprocess.run((*LEARN, "--help"), capture_output=True, text=True, cwd=folder)
    assert said.returncode == 0
    assert said.stdout.startswith("Usage: takt learn ")
    assert "--progress [bar|json]" in said.stdout
