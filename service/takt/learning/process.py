"""The process that learns: started, listened to, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from takt.core.distribution import COMMAND
from takt.core.domain import Json
from takt.core.errors import TaktError
from takt.core.host import read_if_there

LEARN: Final = (*COMMAND, "learn")
"""`takt learn`."""

_LAUNCHER: Final = (sys.executable, "-P", "-m", "takt.learning.launcher")
_NEEDED: Final = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "PYTHONPATH",
    "PYTHONHOME",
)
"""All that the process has of the server's environment: no key and no password of a database."""

_LOOK_EVERY_S: Final = 0.25
"""Time between two looks at the memory; a process takes some 100 MB in it."""
_LONGEST_LINE: Final = 64 * 1024
_LONGEST_EVENT: Final = 1024 * 1024
"""A result may name hundreds of pictures."""


def environment(temporary: Path, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of the process.

    >>> environment(Path("/t"), {"TAKT_KEYS": "secret", "HOME": "/home/takt"})
    {'HOME': '/home/takt', 'TMPDIR': '/t'}

    Args:
        temporary: folder of its temporary files.
        given: the server's environment.
    """
    kept = {name: given[name] for name in _NEEDED if name in given}
    return kept | {"TMPDIR": str(temporary)}


async def run_to_its_end(
    command: Sequence[str],
    folder: Path,
    told: Callable[[Json], None],
    logged: Callable[[str], None],
    most_bytes: int | None = None,
) -> int:
    """Run a command below the server's priority; it is ended where this is cancelled.

    Args:
        command: the program's path and its arguments.
        folder: its working folder; holds a folder `tmp`.
        told: hears each line of its output that is a JSON object.
        logged: hears each other line, and each of its error output.
        most_bytes: memory of its own that it may take; None for any.

    Returns:
        Its exit code; negative where a signal ended it.

    Raises:
        TaktError: it took more memory, and was ended.
    """
    process = await asyncio.create_subprocess_exec(
        *_LAUNCHER,
        str(os.getpid()),
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=environment(folder / "tmp"),
    )
    assert process.stdout is not None and process.stderr is not None

    def heard(line: str) -> None:
        event = _event_of(line)
        if event is None:
            logged(line[:_LONGEST_LINE])
        else:
            told(event)

    watching = asyncio.create_task(_watch(process, most_bytes))
    try:
        await asyncio.gather(
            _listen(process.stdout, heard, _LONGEST_EVENT),
            _listen(process.stderr, logged, _LONGEST_LINE),
        )
        code = await process.wait()
        if watching.done():
            watching.result()
        return code
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        if process.returncode is None:
            _end(process)
            await process.wait()


async def _watch(process: asyncio.subprocess.Process, most_bytes: int | None) -> None:
    """End a process once it takes more memory than it may.

    Raises:
        TaktError: it took more.
    """
    while most_bytes is not None:
        await asyncio.sleep(_LOOK_EVERY_S)
        if own_memory_bytes(process.pid) > most_bytes:
            _end(process)
            raise TaktError(
                f"it took more than {most_bytes >> 20} MB of memory, which is what this host had "
                "left for it, and was ended; choose a smaller size or fewer pictures, or give the "
                "host more memory"
            )


def own_memory_bytes(pid: int) -> int:
    """Memory of a process that no file has, as Linux tells it; 0 where nothing is told."""
    found = re.findall(
        r"^(?:RssAnon|RssShmem):\s*(\d+) kB",
        read_if_there(Path(f"/proc/{pid}/status")),
        re.MULTILINE,
    )
    return sum(map(int, found)) * 1024


def _end(process: asyncio.subprocess.Process) -> None:
    """End a process and its group at once."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # It may have no group yet.
    with contextlib.suppress(ProcessLookupError):
        process.kill()


async def _listen(stream: asyncio.StreamReader, heard: Callable[[str], None], longest: int) -> None:
    """Hear each line, however long; of a longer one only its first bytes."""
    rest = b""
    while chunk := await stream.read(_LONGEST_LINE):
        *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
        rest = rest[:longest]
        for line in lines:
            _hear(line, heard)
    _hear(rest, heard)


def _hear(line: bytes, heard: Callable[[str], None]) -> None:
    if text := line.decode(errors="replace").strip():
        heard(text)


def _event_of(line: str) -> Json | None:
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
