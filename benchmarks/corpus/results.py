"""Results on disk: a JSON file of a setting with its figures, and an npz file of all scores."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.corpus.figures import Rates, SeedFigures, SetFigures
from benchmarks.corpus.measuring import Scores
from benchmarks.corpus.sets import CorpusError
from takt_export.versions import package_versions

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    """What a setting gave.

    Attributes:
        name: of the setting, and of the file.
        setting: what was set, by name; empty for the defaults.
        sets: figures of each set.
        made_at: date and time, UTC.
        made_with: versions, and the commit.
    """

    name: str
    setting: Mapping[str, Any]
    sets: tuple[SetFigures, ...]
    made_at: str
    made_with: Mapping[str, str]

    @classmethod
    def of_now(cls, name: str, setting: Mapping[str, Any], sets: Sequence[SetFigures]) -> Result:
        """The result with date, versions and commit."""
        return cls(name, setting, tuple(sets), *made_now())

    @property
    def by_set(self) -> dict[str, SetFigures]:
        """The figures by the sets' names."""
        return {one.name: one for one in self.sets}


def save(result: Result, scores: Mapping[str, Scores], folder: Path) -> Path:
    """Writes `<name>.json` and `<name>.npz`; returns the former."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"{name}/{field.name}": getattr(one, field.name)
        for name, one in scores.items()
        for field in fields(Scores)
    }
    path = folder / f"{result.name}.json"
    np.savez_compressed(path.with_suffix(".npz"), allow_pickle=False, **arrays)
    path.write_text(json.dumps(asdict(result), indent=1) + "\n")
    return path


def load(path: Path) -> Result:
    """Reads a result.

    Raises:
        CorpusError: the file is no result.
    """
    try:
        plain = json.loads(path.read_bytes())
        return Result(**plain | {"sets": tuple(map(_set_of, plain["sets"]))})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CorpusError(f"{path} is no result of the corpus: {error}") from error


def load_scores(path: Path) -> dict[str, Scores]:
    """The scores beside a result, by set.

    Raises:
        CorpusError: they are not there.
    """
    try:
        with np.load(path.with_suffix(".npz")) as arrays:
            names = dict.fromkeys(key.partition("/")[0] for key in arrays)
            return {
                name: Scores(**{one.name: arrays[f"{name}/{one.name}"] for one in fields(Scores)})
                for name in names
            }
    except (OSError, ValueError, KeyError) as error:
        raise CorpusError(f"the scores beside {path} cannot be read: {error}") from error


def _set_of(plain: dict[str, Any]) -> SetFigures:
    return SetFigures(**plain | {"seeds": tuple(map(_seed_of, plain["seeds"]))})


def _seed_of(plain: dict[str, Any]) -> SeedFigures:
    return SeedFigures(**plain | {"rates": tuple(Rates(**rates) for rates in plain["rates"])})


def made_now() -> tuple[str, dict[str, str]]:
    """Date and time, UTC, and the versions with the commit."""
    now = datetime.datetime.now(datetime.UTC)
    return now.isoformat(timespec="seconds"), package_versions() | {"commit": _commit()}


def _commit() -> str:
    """The commit, with `+` if anything differs from it."""
    command = ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
