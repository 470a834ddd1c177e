"""Dockerfiles and .dockerignore as data: what a builder would take from each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Step:
    """One instruction, with its lines joined and its comments gone."""

    name: str
    text: str

    def array(self) -> list[str]:
        """The arguments of its exec form."""
        found: list[str] = json.loads(self.text[self.text.index("[") :])
        return found


@dataclass
class Stage:
    """From one FROM to the next."""

    name: str
    base: str
    steps: list[Step] = field(default_factory=list)

    def only(self, name: str) -> Step:
        """The one instruction of that name."""
        (found,) = [step for step in self.steps if step.name == name]
        return found


def stages(text: str) -> list[Stage]:
    """The stages in order; ARGs before the first FROM are put into what follows."""
    found: list[Stage] = []
    known: dict[str, str] = {}
    for step in _steps(text):
        if step.name == "FROM":
            image, _, name = step.text.partition(" AS ")
            found.append(Stage(name or str(len(found)), expanded(image, known)))
        elif found:
            found[-1].steps.append(step)
        elif step.name == "ARG":
            name, _, value = step.text.partition("=")
            known[name] = value
    return found


def expanded(text: str, variables: dict[str, str]) -> str:
    """`$NAME` and `${NAME}` as the builder puts them in."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: variables.get(found[1], ""), text)


def assignments(text: str) -> Iterator[tuple[str, str]]:
    """The pairs of an ENV, ARG or LABEL."""
    for name, quoted, bare in re.findall(r'([\w.]+)=(?:"([^"]*)"|(\S*))', text):
        yield name, quoted or bare


def _steps(text: str) -> Iterator[Step]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for joined in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, rest = joined.partition(" ")
        yield Step(name, re.sub(r"\s{2,}", " ", rest.strip()))


@dataclass(frozen=True)
class Context:
    """The files that a builder gets: those of a folder that its .dockerignore lets through."""

    root: Path
    rules: tuple[tuple[str, bool], ...]

    @classmethod
    def of(cls, root: Path) -> Context:
        """That of a project's folder."""
        lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
        rules = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        return cls(root, tuple((rule.lstrip("!"), rule.startswith("!")) for rule in rules))

    def has(self, path: str) -> bool:
        """Whether it goes to the builder: the last rule that fits it, or a folder above it."""
        parts = PurePosixPath(path).parts
        let_through = True
        for pattern, through in self.rules:
            if any(_fits(parts[:length], pattern) for length in range(1, len(parts) + 1)):
                let_through = through
        return let_through

    def files(self, source: str) -> list[Path]:
        """What COPY takes by one source, relative to the root; never nothing.

        Raises:
            FileNotFoundError: as a builder would fail.
        """
        places = sorted(self.root.glob(source))
        files = [
            file.relative_to(self.root)
            for place in places
            for file in (sorted(place.rglob("*")) if place.is_dir() else [place])
            if file.is_file() and self.has(str(file.relative_to(self.root)))
        ]
        if not files:
            raise FileNotFoundError(f"COPY finds no {source} in the build context")
        return files


def _fits(parts: tuple[str, ...], pattern: str) -> bool:
    wanted = PurePosixPath(pattern).parts
    if wanted[0] == "**":
        return any(_fits(parts[i:], "/".join(wanted[1:])) for i in range(len(parts)))
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
