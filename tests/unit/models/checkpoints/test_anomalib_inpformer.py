"""INP-Former's checkpoints of anomalib."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import Centre, InputRecipe
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.inpformer.config import InpFormerConfig
from takt_models.inpformer.detector import InpFormer

Content = dict[str, Any]
Save = Callable[[Content], Path]

CONFIG = InpFormerConfig(embed_dim=64, encoder_heads=1, decoder_heads=1, mlp_bias=False)


@pytest.fixture
def inpformer() -> Content:
    """What anomalib 2.7 writes of an InpFormer of 64 channels."""
    with torch.device("meta"):
        ours = InpFormer(CONFIG).state_dict()
    renamed = {
        "extractor.tokens": "prototype_token.0",
        "extractor.": "aggregation.0.",
        "bottleneck.": "bottleneck.0.",
        "encoder.registers": "encoder.feature_extractor.reg_token",
        "encoder.patch_embed.": "encoder.feature_extractor.patch_embed.proj.",
        "encoder.": "encoder.feature_extractor.",
    }
    state: dict[str, Any] = {}
    for name, weight in ours.items():
        old, new = next(((o, n) for o, n in renamed.items() if name.startswith(o)), ("", ""))
        state[f"model.{new}{name.removeprefix(old)}"] = torch.tensor([0.01]).expand(weight.shape)
    state["model.encoder.feature_extractor.pos_embed"] = torch.zeros(1, 1369, 64)
    state["trainable_modules.0.0.fc1.bias"] = torch.zeros(1)
    return {"pytorch-lightning_version": "2.6.6", "state_dict": state, "hyper_parameters": {}}


def prepared(*transforms: tuple[str, dict[str, object]]) -> Content:
    specs = [
        {"class_path": f"torchvision.transforms.v2.{kind}", "init_args": arguments}
        for kind, arguments in transforms
    ]
    transform = {"class_path": "Compose", "init_args": {"transforms": specs}}
    return {"anomalib_pre_processor_config": {"transform": transform}}


IMAGENET = ("Normalize", {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]})


def test_an_inpformer_without_a_stored_preparation_has_the_default(
    inpformer: Content, save: Save
) -> None:
    loaded = load_checkpoint(save(inpformer))
    assert isinstance(loaded.model, InpFormer)
    assert loaded.model.config == CONFIG.__class__(**{**vars(CONFIG), "recipe": "anomalib"})
    assert loaded.recipe == InputRecipe(448, 448, "tensor_bilinear", Centre(392, 392), "pillow")
    assert len(loaded.assumptions) == 2


def test_an_inpformer_takes_its_size_and_its_blocks_from_the_file(
    inpformer: Content, save: Save, foreign: Any
) -> None:
    inpformer["hyper_parameters"] = {
        "target_layers": [1, 2, 3, 4, 5, 6, 7, 9],
        "fuse_layer_encoder": [[0, 1], [2, 3]],
        "fuse_layer_decoder": [[0, 1], [2, 3]],
        "remove_class_token": True,
        "precision": foreign.called("anomalib.PrecisionType", "float32"),
    }
    inpformer |= prepared(("Resize", {"size": [300, 300]}), ("CenterCrop", {"size": 280}), IMAGENET)
    loaded = load_checkpoint(save(inpformer))
    assert isinstance(loaded.model, InpFormer)
    config = loaded.model.config
    assert config.input_size == (280, 280)
    assert config.target_blocks == (1, 2, 3, 4, 5, 6, 7, 9)
    assert config.encoder_groups == config.decoder_groups == ((0, 1), (2, 3))
    assert loaded.assumptions == ()


def test_the_model_owes_nothing_to_the_file(inpformer: Content, save: Save) -> None:
    path = save(inpformer)
    model = load_checkpoint(path).model
    assert torch.all(model.state_dict()["decoder.0.norm2.bias"] == 0.01)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert torch.all(model.state_dict()["decoder.1.norm2.bias"] == 0.01)


def test_half_precision_is_told(inpformer: Content, save: Save, foreign: Any) -> None:
    inpformer["hyper_parameters"]["precision"] = foreign.called("anomalib.PrecisionType", "float16")
    assert "bfloat16" in load_checkpoint(save(inpformer)).assumptions[-1]


RESIZED = ("Resize", {"size": [392, 392]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (prepared(RESIZED), "not normalised by ImageNet's mean"),
        (
            prepared(RESIZED, ("Normalize", {"mean": [0.5] * 3, "std": [0.5] * 3})),
            "not normalised by ImageNet's mean",
        ),
        (prepared(("Resize", {"size": [392, 406]}), IMAGENET), "406 x 392 pixels.*takes squares"),
        (prepared(("Resize", {"size": [390, 390]}), IMAGENET), "width is 390.*multiple of 14"),
        ({"hyper_parameters": {"remove_class_token": False}}, "remove_class_token=False"),
        ({"hyper_parameters": {"target_layers": [1, "2"]}}, "target_layers does not name blocks"),
        ({"hyper_parameters": {"fuse_layer_encoder": [1]}}, "fuse_layer_encoder does not name"),
        ({"hyper_parameters": {"fuse_layer_decoder": 1}}, "fuse_layer_decoder does not name"),
        ({"hyper_parameters": {"target_layers": [9, 1]}}, "rising order"),
    ],
)
def test_an_inpformer_that_ours_does_not_reproduce_is_refused(
    inpformer: Content, save: Save, change: Content, message: str
) -> None:
    with pytest.raises(CheckpointError, match=f"model.ckpt.*{message}"):
        load_checkpoint(save(inpformer | change))


def test_an_inpformer_without_a_tensor_is_refused(inpformer: Content, save: Save) -> None:
    del inpformer["state_dict"]["model.decoder.3.norm2.bias"]
    with pytest.raises(CheckpointError, match=r"model.ckpt: .*decoder.3.norm2.bias is missing"):
        load_checkpoint(save(inpformer))


def test_a_tensor_far_larger_than_its_file_is_refused(inpformer: Content, save: Save) -> None:
    inpformer["state_dict"]["model.x"] = torch.zeros(1).expand(10**12)
    with pytest.raises(CheckpointError, match=r"more than 1\.1 thousand million numbers"):
        load_checkpoint(save(inpformer))


def test_the_encoder_of_2_5_0_becomes_that_of_later_ones(inpformer: Content, save: Save) -> None:
    later = load_checkpoint(save(inpformer)).model.state_dict()
    state = inpformer["state_dict"]
    of_timm = "model.encoder.feature_extractor."
    for name in [name for name in state if name.startswith(of_timm)]:
        older = name.replace("feature_extractor.", "").replace("reg_token", "register_tokens")
        state[older] = state.pop(name)
    state["model.encoder.mask_token"] = torch.zeros(1, 64)
    state["model.encoder.pos_embed"] = torch.cat(
        [torch.full((1, 1, 64), 0.5), torch.full((1, 1369, 64), 0.25)], dim=1
    )
    model = load_checkpoint(save(inpformer)).model.state_dict()
    torch.testing.assert_close(model["encoder.cls_token"], later["encoder.cls_token"] + 0.5)
    torch.testing.assert_close(model["encoder.pos_embed"], torch.full((1, 784, 64), 0.25))
    same = [name for name in later if name not in ("encoder.cls_token", "encoder.pos_embed")]
    assert all(torch.equal(model[name], later[name]) for name in same)
