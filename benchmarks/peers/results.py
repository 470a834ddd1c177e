"""What a measurement leaves in a file, and the versions it was made with."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.peers.figures import Cell, Scores
from benchmarks.peers.systems import System

ASK_VERSIONS = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """A system beside its speed.

    Attributes:
        model: that it served.
        start_s: from its start to its first answer.
        fresh_mib: proportional set size of its processes after that.
        loaded_mib: likewise after the load.
        idle_share: of one core, when nobody asks.
        scores: beside the control's, for each picture.
    """

    model: str
    start_s: float
    fresh_mib: float
    loaded_mib: float
    idle_share: float
    scores: tuple[Scores, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """A system's measurement.

    Attributes:
        name: of the system, or what it was saved as.
        system: as it is called in systems.py.
        remark: what a reader of its figures must know.
        measured_at: local time.
        arguments: of the command line.
        versions: of packages, of the system and of the control.
        facts: one for each model.
        cells: all that were measured.
    """

    name: str
    system: str
    remark: str
    measured_at: str
    arguments: tuple[str, ...]
    versions: Mapping[str, Mapping[str, str]]
    facts: tuple[Facts, ...]
    cells: tuple[Cell, ...]


_FILE = TypeAdapter(Result)


def save(result: Result, folder: Path) -> Path:
    """Write a result; its file."""
    path = folder / f"{result.name}.json"
    path.write_bytes(_FILE.dump_json(result, indent=1))
    return path


def load_all(folder: Path) -> list[Result]:
    """Every result in a folder, by name."""
    return [_FILE.validate_json(path.read_bytes()) for path in sorted(folder.glob("*.json"))]


def versions(system: System) -> dict[str, str]:
    """Of the packages that tell what a system's figures are worth."""
    asked = [str(system.python), "-c", ASK_VERSIONS, *system.packages]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SystemExit(f"{system.name} lacks a package: {answer.stderr.strip()}")
    found: dict[str, str] = json.loads(answer.stdout)
    return found
