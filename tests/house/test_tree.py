"""The list of the project's files is the same with git and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tree


def test_without_git_the_same_files_are_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    by_git = tree.tracked()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "none"))
    assert tree.tracked() == by_git
    assert "tests/tree.py" in by_git
