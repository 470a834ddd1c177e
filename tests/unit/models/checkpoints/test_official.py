from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import Centre, InputRecipe
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.inpformer.config import InpFormerConfig
from takt_models.inpformer.detector import InpFormer

State = dict[str, Tensor]


@pytest.fixture
def state() -> State:
    """A `model.pth` of 64 channels, stored as float16."""
    config = InpFormerConfig(embed_dim=64, encoder_heads=1, decoder_heads=1)
    with torch.device("meta"):
        ours = InpFormer(config).state_dict()
    renamed = {
        "extractor.tokens": "prototype_token",
        "extractor.": "aggregation.0.",
        "bottleneck.": "bottleneck.0.",
        "encoder.registers": "encoder.register_tokens",
        "encoder.patch_embed.": "encoder.patch_embed.proj.",
    }
    state: State = {"encoder.mask_token": torch.zeros(1, 64)}
    for name, weight in ours.items():
        old, new = next(((o, n) for o, n in renamed.items() if name.startswith(o)), ("", ""))
        half = torch.tensor([0.5], dtype=torch.float16)
        state[f"{new}{name.removeprefix(old)}"] = half.expand(weight.shape)
    state["encoder.pos_embed"] = torch.zeros(1, 1370, 64)
    return state


def test_a_state_dict_is_loaded_with_the_sizes_of_the_scripts(tmp_path: Path, state: State) -> None:
    torch.save(state, tmp_path / "model.pth")
    loaded = load_checkpoint(tmp_path / "model.pth")
    assert isinstance(loaded.model, InpFormer)
    assert loaded.model.config.recipe == "official"
    assert all(weight.dtype == torch.float32 for weight in loaded.model.state_dict().values())
    assert loaded.framework == "official"
    assert loaded.recipe == InputRecipe(448, 448, "pillow_bilinear", Centre(392, 392), "pillow")
    assert loaded.thresholds is None
    assert "sizes of the input are not stored" in loaded.assumptions[0]


def drop(state: State) -> None:
    del state["bottleneck.0.fc1.bias"]


def drop_tokens(state: State) -> None:
    del state["prototype_token"]


def add(state: State) -> None:
    state["head.weight"] = torch.zeros(1)


def spoil(state: State) -> None:
    state["decoder.0.norm2.bias"] = torch.full((64,), torch.nan)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, "bottleneck.0.fc1.bias is missing"),
        (drop_tokens, "prototype_token is missing"),
        (add, "head.weight is none of its tensors"),
        (spoil, "decoder.0.norm2.bias holds numbers that are not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    tmp_path: Path, state: State, change: Callable[[State], None], message: str
) -> None:
    change(state)
    torch.save(state, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=f"model.pth: .*{message}"):
        load_checkpoint(tmp_path / "model.pth")
