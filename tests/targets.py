"""Which tests each target of the Makefile runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

ROOT = Path(__file__).parents[1]

OF_FOLDER = {
    "tests/api/together": "servers",
    "tests/deploy": "deploy",
    "tests/e2e": "servers",
    "tests/hostile": "servers",
    "tests/parity": "torch",
}
"""The mark of every test below a folder."""

COLLECTED = pytest.StashKey[list[pytest.Item]]()
"""What pytest has found in this run, before it leaves out what the run does not want."""


def is_below(path: str, folder: str) -> bool:
    """Whether a file is that one, or lies in that folder."""
    return path == folder or path.startswith(f"{folder}/")


@dataclass(frozen=True)
class Selection:
    """What one command of pytest selects: marks, and paths from the project's root."""

    marks: str
    paths: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @classmethod
    def of(cls, command: str) -> Selection:
        """What a command selects; its paths lie in `tests`, `clients` or `plugins`."""
        words = shlex.split(command.partition(" -m pytest ")[2])
        marks = words[words.index("-m") + 1] if "-m" in words else ""
        return cls(
            marks,
            tuple(word for word in words if word.startswith(("tests/", "clients/", "plugins"))),
            tuple(word[len("--ignore=") :] for word in words if word.startswith("--ignore=")),
        )

    def runs(self, path: str, marks: set[str]) -> bool:
        """Whether it selects a test of that file with those marks."""
        if self.paths and not any(is_below(path, one) for one in self.paths):
            return False
        if any(is_below(path, one) for one in self.ignored):
            return False
        return not self.marks or _match(self.marks, frozenset(marks))


@cache
def _match(expression: str, marks: frozenset[str]) -> bool:
    return Expression.compile(expression).evaluate(lambda name, /, **_: name in marks)


def selection_of(target: str) -> Selection:
    """What `make TARGET` would run."""
    environment = {name: text for name, text in os.environ.items() if "MAKE" not in name}
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", target],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    ).stdout.replace("\\\n", " ")  # fmt: skip
    (command,) = [line for line in told.splitlines() if " -m pytest" in line]
    return Selection.of(command + " ")


def targets_of_tests() -> set[str]:
    """The Makefile's targets that run tests with pytest."""
    return set(re.findall(r"^(test[a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def targets_of_all() -> set[str]:
    """Those that `make test-all` runs."""
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    needed = makefile.partition("\ntest-all:")[2].partition("##")[0]
    return {target for target in needed.split() if target.startswith("test")}


def targets_of_integration() -> set[str]:
    """Those that continuous integration runs."""
    script = (ROOT / ".ci/run").read_text("utf-8")
    stages = re.findall(r"^(?:stage|at_once) .*", script, re.MULTILINE)
    return set(re.findall(r"make (test[a-z-]*)", "\n".join(stages)))
