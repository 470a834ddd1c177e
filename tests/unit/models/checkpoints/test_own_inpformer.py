from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from takt_models.checkpoints.description import describe
from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import Centre, InputRecipe
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.checkpoints.own import FitFacts, save_checkpoint
from takt_models.fit.device import round_to_fp16
from takt_models.inpformer.config import InpFormerConfig
from takt_models.inpformer.detector import InpFormer
from tests.inpformer import LIGHT

DINO = InpFormerConfig(
    embed_dim=64,
    encoder_heads=1,
    decoder_heads=1,
    target_blocks=(0, 1),
    encoder_groups=((0,), (1,)),
    decoder_depth=2,
    decoder_groups=((0,), (1,)),
    width=28,
    height=28,
)


def saved(path: Path, config: InpFormerConfig, resized: int | None) -> InpFormer:
    torch.manual_seed(0)
    model = InpFormer(config)
    round_to_fp16(model)
    facts = FitFacts(config, ("0123456789abcdef",), 100, 3, {"torch": "2"}, resized=resized)
    save_checkpoint(path, model, facts)
    return model


@pytest.mark.parametrize("config", [LIGHT, DINO], ids=["lite0", "dinov2"])
def test_a_saved_model_comes_back_bit_for_bit(tmp_path: Path, config: InpFormerConfig) -> None:
    path = tmp_path / "m.safetensors"
    model = saved(path, config, resized=config.width + 8)
    loaded = load_checkpoint(path)
    side = config.width
    assert isinstance(loaded.model, InpFormer)
    assert loaded.model.config == config
    assert loaded.recipe == InputRecipe(side + 8, side + 8, "area", Centre(side, side))
    assert loaded.seen == ("0123456789abcdef",)
    assert not loaded.model.training
    expected = model.state_dict()
    for name, weight in loaded.model.state_dict().items():
        assert torch.equal(weight, expected[name]), name


def test_it_is_described_under_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    saved(path, LIGHT, resized=None)
    described = describe(path)
    assert (described.family, described.variant) == ("inpformer", "lite0")
    assert described.format == "Takt inpformer (safetensors)"
    assert described.input == "resized to 64 x 64 (area)"
    assert described.loadable and described.statistics == "none needed"


def test_an_input_larger_than_what_it_is_cut_from_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    saved(path, LIGHT, resized=32)
    with pytest.raises(CheckpointError, match="no 64 x 64 can be cut out"):
        load_checkpoint(path)


def test_the_light_encoder_s_blocks_are_given() -> None:
    with pytest.raises(ValueError, match="of the encoder lite0"):
        replace(LIGHT, target_blocks=(0, 1, 2, 3), encoder_groups=((0,), (1,)))
    with pytest.raises(ValueError, match="multiple of 16, such as 448"):
        replace(LIGHT, width=392, height=392)
