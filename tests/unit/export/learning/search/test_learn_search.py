from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from takt_export.commands.learn import learn
from takt_export.learning import learn as learning
from takt_export.learning.search.bank_choice import BankChoice
from takt_export.learning.search.choosing import FoundByTrial, Tried
from takt_export.learning.search.searching import Searched
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.patchcore.detector import PatchCore

pytestmark = pytest.mark.torch

NONE = np.zeros(0, np.bool_)


def run(good: Path, repository: Path, *arguments: object) -> Result:
    given = (good, "--repository", repository, "--server", "http://127.0.0.1:9")
    return CliRunner().invoke(learn, [*map(str, (*given, "--device", "cpu", "-q", *arguments))])


@pytest.fixture
def _fake_search(monkeypatch: pytest.MonkeyPatch) -> None:
    def search(*_: Any) -> Searched:
        ways = {0.4: BankChoice(320, (4, 10), 6000), 0.9: BankChoice(64, (4, 7, 10), 90)}
        return Searched(
            tuple(
                Tried(choice, FoundByTrial(np.full(8, share), NONE, NONE, NONE), 3.0)
                for share, choice in ways.items()
            ),
            (),
        )

    monkeypatch.setattr(learning, "search_banks", search)


@pytest.mark.usefixtures("_fake_search")
def test_the_bank_is_fitted_as_the_search_has_chosen_and_the_summary_says_why(
    pictures: Path, tmp_path: Path
) -> None:
    result = run(pictures / "good", tmp_path / "models", "--model", "parts", "--search", 1)
    assert result.exit_code == 0, result.output
    model = load_checkpoint((tmp_path / "models/parts/1/checkpoint.safetensors",)).model
    assert isinstance(model, PatchCore)
    assert model.input_size == (64, 64)
    assert model.config.layers == (4, 7, 10)
    assert sum(model.config.bank_sizes) <= 90
    assert "search      takes side 64, blocks 4+7+10, 90 vectors" in result.output
    assert "search 0." in result.output


@pytest.mark.usefixtures("_fake_search")
def test_what_was_tried_is_told_to_programs(pictures: Path, tmp_path: Path) -> None:
    result = run(
        *(pictures / "good", tmp_path / "models", "--model", "parts"),
        *("--search", 1, "--progress", "json"),
    )
    events = [json.loads(line) for line in result.output.splitlines()]
    (plan,) = (one for one in events if one["event"] == "plan")
    assert plan["stages"][:3] == ["look", "search", "fit"]
    told = events[-1]["search"]
    assert told["taken"] == {"side": 64, "layers": [4, 7, 10], "bank_size": 90}
    assert [one["made_up_found"] for one in told["tried"]] == [0.4, 0.9]


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("--model", "parts", "--size", 320), "leave --size out"),
        (("--model", "parts", "--family", "inpformer"), "patchcore, not inpformer: leave it out"),
        (("--model", "parts", "--encoder", "timm:any"), "leave --encoder out"),
        (("--update", "parts"), "leave --search out"),
    ],
)
def test_what_a_search_cannot_go_with_is_refused(
    pictures: Path, tmp_path: Path, arguments: tuple[object, ...], remedy: str
) -> None:
    refused = run(pictures / "good", tmp_path / "models", "--search", 5, *arguments)
    assert refused.exit_code == 2
    assert remedy in " ".join(refused.output.split())


def test_too_few_good_parts_are_refused_before_anything_is_written(
    pictures: Path, tmp_path: Path
) -> None:
    refused = run(pictures / "good", tmp_path / "models", "--model", "parts", "--search", 5)
    assert refused.exit_code == 1
    assert "learn without --search" in refused.output
    assert not (tmp_path / "models" / "parts").exists()
