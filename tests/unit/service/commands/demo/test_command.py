"""`takt demo` before it has a server."""

from __future__ import annotations

import signal
from pathlib import Path

from takt.commands.demo.command import demo
from tests.commands import refused, run


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    line = refused(run(demo, "--folder", tmp_path / "file" / "demo"))

    assert line == f"Error: {tmp_path}/file/demo cannot be written: Not a directory"


def test_signals_are_handled_afterwards_as_before(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    (tmp_path / "file").touch()
    run(demo, "--folder", tmp_path / "file" / "demo")

    assert signal.getsignal(signal.SIGTERM) is before
