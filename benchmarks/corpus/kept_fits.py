"""Fits' banks and distances on disk, so that settings of what comes after them fit nothing anew."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from benchmarks.corpus.fitted import Distances
from takt_models.checkpoints.out_of_fold import OutOfFold

_MODELS = Path(__file__).parents[2] / "models"
_AFTER_THE_BANKS = frozenset(
    {
        *("places.py", "head.py", "directions.py", "looked.py", "cells.py"),
        *("locator.py", "locating.py"),
    }
)
_FORM = "with banks and what they have seen"
"""Of the files; one of another form is not found."""


@dataclass(frozen=True)
class KeptFit:
    """A fit that is kept, or will be.

    Attributes:
        folder: of the features that it rests on.
        facts: all else that it rests on, but for the code.
    """

    folder: Path
    facts: str

    @property
    def path(self) -> Path:
        """Its file; another one once the code that fits has changed."""
        digest = hashlib.sha256(f"{_FORM} {self.facts} {_code()}".encode()).hexdigest()
        return self.folder / f"fit-{digest[:16]}.pt"

    def get(self, fit: Callable[[], Distances]) -> Distances:
        """The distances from the file, or those of `fit`, which are kept."""
        if self.path.is_file():
            plain = torch.load(self.path, weights_only=True)
            found = OutOfFold(tuple(plain["pictures"]), plain["distances"], plain["folds"])
            return Distances(found, plain["seen"], plain["tested"], plain["fit_s"], plain["banks"])
        made = fit()
        part = self.path.with_suffix(f".{os.getpid()}.part")
        torch.save(
            {
                "pictures": list(made.out_of_fold.pictures),
                "distances": made.out_of_fold.distances,
                "folds": made.out_of_fold.folds,
                "seen": made.seen,
                "tested": made.tested,
                "fit_s": made.fit_s,
                "banks": dict(made.banks),
            },
            part,
        )
        part.replace(self.path)
        return made


@cache
def _code() -> str:
    """Digest of the code that a fit's distances hang on."""
    digest = hashlib.sha256()
    for room in ("patchcore", "fit/patchcore"):
        for path in sorted((_MODELS / room).glob("*.py")):
            if path.name not in _AFTER_THE_BANKS:
                digest.update(path.read_bytes())
    return digest.hexdigest()
