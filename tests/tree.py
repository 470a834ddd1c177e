"""The project's own files, as a commit has them: in a clone by git, elsewhere by .gitignore."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCES = {
    "takt": ROOT / "service",
    "takt_export": ROOT / "export",
    "takt_models": ROOT / "models",
    "takt_client": ROOT / "clients/python/src",
    "takt_msa": ROOT / "plugins/msa",
    "takt_station": ROOT / "plugins/station",
}
"""Each package by its name, and the folder it lies in."""

DISTRIBUTIONS = {
    "takt-inspection": ROOT / "service",
    "takt-export": ROOT / "export",
    "takt-models": ROOT / "models",
    "takt-client": ROOT / "clients/python",
    "takt-msa": ROOT / "plugins/msa",
    "takt-station": ROOT / "plugins/station",
}
"""The folder of each distribution."""

_OF_TOOLS = (".git", ".git/", ".hypothesis/")


def declared(distribution: str) -> dict[str, Any]:
    """What a distribution's pyproject.toml has under `project`.

    >>> declared("takt-inspection")["scripts"]
    {'takt': 'takt.cli:main'}
    """
    text = (DISTRIBUTIONS[distribution] / "pyproject.toml").read_text("utf-8")
    project: dict[str, Any] = tomllib.loads(text)["project"]
    return project


def tracked() -> list[str]:
    """Paths from the root, in order; of what is not committed yet, what git would not ignore.

    >>> "tests/tree.py" in tracked()
    True
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = _walked() if listed.returncode else listed.stdout.split("\0")
    return sorted(name for name in found if name and os.path.lexists(ROOT / name))


def copy_tracked(folder: Path) -> None:
    """Copies them to a folder, as a clone has them."""
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name, follow_symlinks=False)


def _walked() -> Iterator[str]:
    rules = [*_OF_TOOLS, *(ROOT / ".gitignore").read_text("utf-8").split()]
    for place, folders, files in os.walk(ROOT):
        at = Path(place).relative_to(ROOT)
        links = [one for one in folders if (ROOT / at / one).is_symlink()]
        folders[:] = [one for one in folders if not _is_ignored(f"{at / one}/", rules)]
        yield from (
            str(at / one) for one in (*files, *links) if not _is_ignored(str(at / one), rules)
        )


def _is_ignored(path: str, rules: list[str]) -> bool:
    """Whether a rule fits: by the whole path if it has a slash before its end, else by the name."""
    end = "/" if path.endswith("/") else ""
    name = path.rstrip("/").rpartition("/")[2] + end
    return any(
        fnmatch(path, rule.lstrip("/")) if "/" in rule.rstrip("/") else fnmatch(name, rule)
        for rule in rules
    )
