from pathlib import Path

import pytest
import torch

from takt_models.checkpoints.errors import LONGEST_NAME
from takt_models.checkpoints.good_cells import CELLS, GoodCells, coarse, exact, kept_of
from takt_models.checkpoints.out_of_fold import OutOfFold
from takt_models.checkpoints.own import FitFacts, load_fitted, save_checkpoint
from takt_models.patchcore.config import PatchCoreConfig
from tests.patchcore import a_patchcore


def some() -> GoodCells:
    cells = torch.arange(2 * 2 * 4 * 152).remainder(200).sub(100).to(torch.int8)
    head = torch.tensor([0.25, -1.5])
    return GoodCells((0, 2), cells.view(2, 2, 4, 152), head, ("good/a.png", "good/c.png"))


def test_steps_are_exact_to_a_thirty_second_and_end_where_bytes_do() -> None:
    values = torch.linspace(-9, 9, 1000)
    found = exact(coarse(values))
    within = values.abs() < 7.9
    assert float((found - values)[within].abs().max()) <= 1 / 32
    assert found.abs().max() == 127 / 16


def test_a_checkpoint_keeps_them_as_they_are(tmp_path: Path) -> None:
    config = PatchCoreConfig(bank_sizes=(5, 5), width=64, height=32)
    model, path = a_patchcore(config), tmp_path / "fit.safetensors"
    scored = OutOfFold((0, 1, 2), torch.rand(3, 2, 4, 8).half().float(), folds=3)
    facts = FitFacts(config, ("a", "b", "c"), 3, 0)
    save_checkpoint(path, model, facts, scored, some())
    found = load_fitted(path).good_cells
    assert found is not None and found.head is not None and some().head is not None
    assert found.parts == (0, 2)
    assert found.cells.dtype == torch.int8
    assert torch.equal(found.cells, some().cells)
    assert found.head.tolist() == [0.25, -1.5]
    assert found.names == ("good/a.png", "good/c.png")


def test_a_checkpoint_from_before_there_were_names_has_none() -> None:
    found = GoodCells.taken(some().tensors(), {"parts": [0, 2]}, scored=3)
    assert found is not None and found.names == ()


def test_a_name_can_neither_control_a_terminal_nor_fill_it() -> None:
    plain = {"parts": [0, 2], "names": ["good/\x1b[2J.png", "n" * 10_000]}
    found = GoodCells.taken(some().tensors(), plain, scored=3)
    assert found is not None
    assert found.files == {0: "good/?[2J.png", 2: "n" * LONGEST_NAME}


def test_names_of_other_parts_are_refused() -> None:
    plain = {"parts": [0, 2], "names": ["good/a.png"]}
    with pytest.raises(ValueError, match="names are not of its parts"):
        GoodCells.taken(some().tensors(), plain, scored=3)


@pytest.mark.parametrize(
    ("tensors", "parts", "message"),
    [
        ({CELLS: torch.zeros(2, 1, 1, 4)}, [0, 1], "not of good parts"),
        ({CELLS: torch.zeros(1, 1, 1, 4, dtype=torch.int8)}, [0, 1], "not of good parts"),
        ({CELLS: torch.zeros(2, 1, 1, 4, dtype=torch.int8)}, [0, 5], "has not scored"),
        ({CELLS: torch.zeros(2, 1, 1, 4, dtype=torch.int8)}, [1, 0], "has not scored"),
        (
            {
                CELLS: torch.zeros(2, 1, 1, 4, dtype=torch.int8),
                "good.head": torch.tensor([0.0, torch.nan]),
            },
            [0, 1],
            "not of its parts",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    tensors: dict[str, torch.Tensor], parts: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        GoodCells.taken(tensors, {"parts": parts}, scored=3)


def test_of_too_many_parts_some_are_kept_evenly() -> None:
    kept = kept_of(10_000, 61_000)
    assert len(kept) == (32 << 20) // 61_000
    assert (kept[0], kept[-1] > 9_900) == (0, True)


def test_parts_without_cells_have_what_is_said_of_parts_as_odd_to_the_bank() -> None:
    bank = torch.rand(300, generator=torch.Generator().manual_seed(0))
    kept = GoodCells(tuple(range(0, 300, 3)), torch.zeros(100, 1, 1, 4, dtype=torch.int8))
    said = bank[list(kept.parts)].square()
    found = kept.for_all(said, bank)
    assert torch.equal(found[list(kept.parts)], said)
    assert float((found - bank.square()).abs().max()) < 0.1
    others = [part for part in range(300) if part not in kept.parts]
    counts = found[others].unique(return_counts=True)[1]
    assert (len(counts), int(counts.min()), int(counts.max())) == (100, 2, 2)


def test_where_the_cells_of_all_parts_are_kept_each_has_its_own() -> None:
    kept = GoodCells((0, 1, 2), torch.zeros(3, 1, 1, 4, dtype=torch.int8))
    said = torch.tensor([3.0, 1.0, 2.0])
    assert torch.equal(kept.for_all(said, torch.tensor([0.2, 0.3, 0.1])), said)
