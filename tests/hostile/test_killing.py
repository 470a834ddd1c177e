"""A server that is killed as it records: a short version of `python -m tests.hostile kills`."""

from __future__ import annotations

from pathlib import Path

from tests.hostile.killing import judge, run


def test_what_was_stored_survives_kills_under_load(tmp_path: Path) -> None:
    assert judge(run(2, tmp_path)).missed == []
