from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.corpus import kept_fits
from benchmarks.corpus.fitted import Distances
from benchmarks.corpus.kept_fits import KeptFit
from takt_models.checkpoints.out_of_fold import OutOfFold


def a_fit() -> Distances:
    found = OutOfFold((0, 2), torch.rand(2, 1, 4, 4), 2)
    return Distances(
        found, torch.rand(1, 4, 4), torch.rand(3, 1, 4, 4), 1.5, {"0.mean": torch.rand(8)}
    )


def no_fit() -> Distances:
    raise AssertionError("it was fitted again")


def test_a_kept_fit_is_read_as_it_was(tmp_path: Path):
    made = KeptFit(tmp_path, "seed=0").get(a_fit)

    again = KeptFit(tmp_path, "seed=0").get(no_fit)

    assert again.out_of_fold.pictures == (0, 2)
    assert torch.equal(again.out_of_fold.distances, made.out_of_fold.distances)
    assert torch.equal(again.tested, made.tested)
    assert (again.out_of_fold.folds, again.fit_s) == (2, 1.5)
    assert torch.equal(again.banks["0.mean"], made.banks["0.mean"])


def test_other_facts_or_other_code_are_fitted_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept = KeptFit(tmp_path, "seed=0")
    kept.get(a_fit)

    with pytest.raises(AssertionError, match="again"):
        KeptFit(tmp_path, "seed=1").get(no_fit)
    monkeypatch.setattr(kept_fits, "_code", lambda: "changed")
    with pytest.raises(AssertionError, match="again"):
        kept.get(no_fit)
