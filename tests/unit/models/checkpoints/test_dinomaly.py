"""Dinomaly's checkpoints of anomalib and of its own code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from takt_models.checkpoints.description import describe
from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import Centre, InputRecipe
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.dinomaly.config import DinomalyConfig
from takt_models.dinomaly.detector import Dinomaly
from tests.parity.dinomaly.drawn import Case

Content = dict[str, Any]
Save = Callable[[Content], Path]

DEFAULT = InputRecipe(448, 448, "tensor_bilinear", Centre(392, 392), "pillow")
LARGE = (4, 6, 8, 10, 12, 14, 16, 18)
TO_12 = (2, 3, 4, 5, 6, 7, 8, 9)


def light(case: Case) -> Content:
    """A state dict of constant weights that take no space."""
    return {name: torch.tensor([0.01]).expand(shape) for name, shape in case.shapes.items()}


def of_anomalib(depth: int = 10, **hyper: object) -> Content:
    """What anomalib 2.7 writes of a Dinomaly of 64 channels, which stores no preparation here."""
    state = light(Case("any", "anomalib", dim=64, depth=depth))
    return {
        "pytorch-lightning_version": "2.6.6",
        "state_dict": {f"model.{name}": value for name, value in state.items()},
        "hyper_parameters": {"remove_class_token": False, "precision": "float32", **hyper},
    }


def of_anomalib_2_4(depth: int) -> Content:
    """What anomalib 2.1 to 2.4 write, whose encoder was DINOv2's own code."""
    state = light(Case("any", "official", dim=64, depth=depth))
    biased = ("bottleneck.0.", "decoder.")
    kept = {
        name: value
        for name, value in state.items()
        if not (name.startswith(biased) and ".fc" in name and name.endswith("bias"))
    }
    return {
        "pytorch-lightning_version": "2.5.0",
        "state_dict": {f"model.{name}": value for name, value in kept.items()},
        "hyper_parameters": {"encoder_name": "dinov2reg_vit_large_14", "remove_class_token": False},
    }


def config_of(path: Path) -> DinomalyConfig:
    model = load_checkpoint(path).model
    assert isinstance(model, Dinomaly)
    return model.config


def test_a_dinomaly_without_a_stored_preparation_has_the_default(save: Save) -> None:
    loaded = load_checkpoint(save(of_anomalib()))
    assert isinstance(loaded.model, Dinomaly)
    assert loaded.model.config == DinomalyConfig(64, 1, mlp_bias=False, recipe="anomalib")
    assert loaded.recipe == DEFAULT
    assert len(loaded.assumptions) == 1
    assert not any(module.training for module in loaded.model.modules())


@pytest.mark.parametrize(
    ("hyper", "prefix"),
    [
        ({}, "rebuilt"),
        ({"remove_class_token": True}, "removed"),
        ({"use_context_recentering": True}, "subtracted"),
    ],
)
def test_the_first_tokens_go_the_way_of_the_training(
    save: Save, hyper: Content, prefix: str
) -> None:
    assert config_of(save(of_anomalib(**hyper))).prefix == prefix


def test_blocks_and_groups_come_from_the_file(save: Save) -> None:
    config = config_of(
        save(
            of_anomalib(
                target_layers=[1, 2, 3, 4, 5, 6, 7, 8],
                fuse_layer_encoder=[[0, 1]],
                fuse_layer_decoder=[[6, 7]],
            )
        )
    )
    assert config.target_blocks == (1, 2, 3, 4, 5, 6, 7, 8)
    assert (config.encoder_groups, config.decoder_groups) == (((0, 1),), ((6, 7),))


def test_a_large_one_has_the_blocks_of_the_release_that_trained_it(save: Save) -> None:
    assert config_of(save(of_anomalib(depth=24))).target_blocks == LARGE
    assert config_of(save(of_anomalib_2_4(depth=24))).target_blocks == TO_12


def test_the_encoder_of_2_1_to_2_5_0_is_dinov2_s_own(save: Save) -> None:
    loaded = load_checkpoint(save(of_anomalib_2_4(depth=10))).model
    assert isinstance(loaded, Dinomaly)
    assert (loaded.config.recipe, loaded.config.mlp_bias) == ("anomalib", False)
    weights = loaded.state_dict()
    torch.testing.assert_close(weights["encoder.cls_token"], torch.full((1, 1, 64), 0.02))
    assert weights["encoder.pos_embed"].shape == (1, 784, 64)


def test_half_precision_is_told(save: Save, foreign: Any) -> None:
    half = foreign.called("anomalib.PrecisionType", "float16")
    assert "bfloat16" in load_checkpoint(save(of_anomalib(precision=half))).assumptions[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_layers": [1, "2"]}, "target_layers does not name blocks"),
        ({"target_layers": [2, 4, 6, 8, 10, 12, 14, 16]}, "has 10 blocks, but block 16"),
        ({"fuse_layer_decoder": [[9]]}, "decoder_groups is .*indices below 8"),
    ],
)
def test_settings_that_do_not_fit_the_weights_are_refused(
    save: Save, change: Content, message: str
) -> None:
    with pytest.raises(CheckpointError, match=f"model.ckpt.*{message}"):
        load_checkpoint(save(of_anomalib(**change)))


@pytest.mark.parametrize("owner", ["anomalib", "official"])
def test_a_tensor_that_is_missing_or_superfluous_is_named(
    save: Save, tmp_path: Path, owner: str
) -> None:
    prefix = "model." if owner == "anomalib" else ""
    content = of_anomalib() if prefix else light(Case("any", "official", dim=64))
    state: Content = content["state_dict"] if prefix else content
    absent = state.pop(f"{prefix}decoder.3.norm2.bias")
    with pytest.raises(CheckpointError, match=r"no Dinomaly as .* saves it: decoder.3.norm2.bias"):
        load_checkpoint(save(content))
    state[f"{prefix}decoder.3.norm2.bias"] = absent
    state[f"{prefix}decoder.3.norm3.bias"] = absent
    with pytest.raises(CheckpointError, match=r"decoder\.3\.norm3\.bias is none of its tensors"):
        load_checkpoint(save(content))


def test_the_official_state_dict_has_the_sizes_of_the_scripts(tmp_path: Path) -> None:
    torch.save(light(Case("any", "official", dim=64)), tmp_path / "model.pth")
    loaded = load_checkpoint(tmp_path / "model.pth")
    assert isinstance(loaded.model, Dinomaly)
    assert loaded.model.config == DinomalyConfig(64, 1)
    assert loaded.recipe == InputRecipe(448, 448, "pillow_bilinear", Centre(392, 392), "pillow")
    assert loaded.framework == "official"


def test_a_description_says_what_it_is(save: Save) -> None:
    described = describe(save(of_anomalib()))
    assert (described.family, described.variant, described.format) == (
        "dinomaly",
        "dim64",
        "anomalib .ckpt of Dinomaly",
    )
    assert described.map is not None
    assert "not blurred" in described.map
    assert described.statistics == "none needed"
