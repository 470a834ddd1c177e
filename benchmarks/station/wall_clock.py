"""A wall clock that can be set while processes go by it, and the machine's own stays as it is."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from unittest.mock import patch

import click

_SOURCE: Final = Path(__file__).with_name("wall_clock.c")
_BYTES: Final = 8


class WallClock:
    """The wall clock of the processes that `wall_clock` was there for when they began.

    Args:
        ahead: the file that they read.
    """

    def __init__(self, ahead: mmap.mmap) -> None:
        self._ahead = ahead

    def put_forward(self, seconds: int) -> None:
        """Have it go so many seconds before the machine's, from now on; negative for behind it."""
        self._ahead[:] = seconds.to_bytes(_BYTES, sys.byteorder, signed=True)


@contextmanager
def wall_clock(folder: Path) -> Iterator[WallClock]:
    """Have processes that begin in the block, and theirs, go by a wall clock that can be set.

    Args:
        folder: gets the library that they load.

    Raises:
        ClickException: there is no C compiler.
    """
    library, path = folder / "wall_clock.so", folder / "wall_clock"
    command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE), "-ldl"]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        raise click.ClickException("there is no C compiler; Debian's package gcc has one") from None
    path.write_bytes(bytes(_BYTES))
    loaded = {"LD_PRELOAD": str(library), "WALL_CLOCK_AHEAD": str(path)}
    with (
        path.open("r+b") as file,
        mmap.mmap(file.fileno(), _BYTES) as ahead,
        patch.dict(os.environ, loaded),
    ):
        yield WallClock(ahead)
