"""A fit that takes no time: an untrained INP-Former, too thin to be any good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from takt_export.commands.learn import learn
from takt_export.families.inpformer import learning as inpformer
from takt_export.learning.family import FamilyLearning, FitRequest
from takt_export.learning.stages import Stages
from takt_models.checkpoints.own import FitFacts, save_checkpoint
from takt_models.inpformer.detector import InpFormer
from tests.inpformer import THIN

Learn = Callable[..., Result]


def thin_fit(request: FitRequest, _: Stages) -> None:
    """Has seen the first picture only."""
    torch.manual_seed(0)
    seen = tuple(request.pictures.digests.values())[:1]
    save_checkpoint(request.out, InpFormer(THIN).eval(), FitFacts(THIN, seen, 1, 0))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def learn_parts(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Learn:
    """Runs `takt learn` into the repository as model `parts`, with the thin fit."""
    monkeypatch.setattr(inpformer, "LEARNING", FamilyLearning(thin_fit))

    def run(good: Path, *arguments: object, model: str = "parts", **settings: Any) -> Result:
        given = (good, "--model", model, "--repository", repository, "--family", "inpformer")
        quick = ("--device", "cpu", "--server", "http://127.0.0.1:9", "-q")
        return CliRunner().invoke(learn, [*map(str, (*given, *quick, *arguments))], **settings)

    return run
