from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from takt_models.checkpoints.description import describe
from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import Centre, InputRecipe
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.patchcore.anomalib.backbone import Backbone
from takt_models.patchcore.anomalib.detector import JointPatchCore
from takt_models.patchcore.anomalib.smoothing import gaussian

Content = dict[str, Any]
Save = Callable[[Content], Path]

TINY, LAYERS = "test_resnet", (1, 2)
PREFIX = "model.feature_extractor.feature_extractor."


def content_of(network_of: str = TINY, **hyper: object) -> Content:
    """What anomalib 2.0 to 2.2 write; with a hyper-parameter `precision`, what later ones do."""
    torch.manual_seed(3)
    network = Backbone(network_of, LAYERS)
    state = {PREFIX + name: value for name, value in network.network.state_dict().items()}
    state["model.memory_bank"] = torch.randn(12, sum(network.channels))
    blur = torch.outer(gaussian(), gaussian()).float()[None, None]
    state["model.anomaly_map_generator.blur.kernel"] = blur
    state["_is_fitted"] = torch.tensor([True])
    names = [network.names[position] for position in LAYERS]
    known = {"backbone": network_of, "layers": names, "num_neighbors": 5, "pre_processor": True}
    return {
        "pytorch-lightning_version": "2.6.6",
        "state_dict": state,
        "hyper_parameters": known | hyper,
    }


def load(content: Content, save: Save) -> JointPatchCore:
    model = load_checkpoint(save(content)).model
    assert isinstance(model, JointPatchCore)
    return model


def test_every_tensor_of_a_patchcore_comes_to_its_place(save: Save) -> None:
    content = content_of()
    model = load(content, save)
    assert model.config.neighbors == 5
    assert not any(module.training for module in model.modules())
    state = content["state_dict"]
    for name, weight in model.encoder.network.state_dict().items():
        assert torch.equal(weight, state[PREFIX + name]), name
    assert torch.equal(model.memory.shelves[0], state["model.memory_bank"])


def test_2_0_cuts_the_centre_out_and_later_releases_do_not(save: Save) -> None:
    early = load_checkpoint(save(content_of()))
    assert early.recipe == InputRecipe(256, 256, "tensor_bilinear", Centre(224, 224), "pillow")
    assert early.model.input_size == early.model.map_size == (224, 224)
    assert any("2.1 and 2.2" in text for text in early.assumptions)
    later = load_checkpoint(save(content_of(precision="float32")))
    assert later.recipe == InputRecipe(256, 256, "tensor_bilinear", opened_by="pillow")
    assert len(later.assumptions) == 1


def test_the_stored_preparation_counts(save: Save) -> None:
    content = content_of()
    transforms = [
        {"class_path": "v2.Resize", "init_args": {"size": [96, 64]}},
        {"class_path": "v2.Normalize", "init_args": {"mean": [0.5, 0.4, 0.3], "std": [1, 2, 4]}},
    ]
    content["anomalib_pre_processor_config"] = {
        "transform": {"class_path": "v2.Compose", "init_args": {"transforms": transforms}}
    }
    loaded = load_checkpoint(save(content))
    assert loaded.recipe == InputRecipe(64, 96, "tensor_bilinear", opened_by="pillow")
    assert loaded.assumptions == ()
    assert isinstance(loaded.model, JointPatchCore)
    normalised = loaded.model.normalize(torch.ones(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(normalised, torch.tensor([0.5, 0.3, 0.175]))


def test_backbone_layers_and_neighbors_are_recognised_where_nothing_names_them(save: Save) -> None:
    content = content_of("resnet18")
    content["hyper_parameters"] = {}
    loaded = load_checkpoint(save(content))
    assert isinstance(loaded.model, JointPatchCore)
    assert loaded.model.config.backbone == "resnet18"
    assert loaded.model.config.layers == LAYERS
    assert loaded.model.config.neighbors == 9
    told = " ".join(loaded.assumptions)
    assert "those of a resnet18" in told
    assert "they are layer1, layer2" in told


def test_the_counters_of_batch_norms_are_not_needed(save: Save) -> None:
    content = content_of()
    state = content["state_dict"]
    content["state_dict"] = {
        n: v for n, v in state.items() if not n.endswith("num_batches_tracked")
    }
    load(content, save)


def test_weights_of_float16_are_read_as_float32_and_that_is_told(save: Save) -> None:
    content = content_of(precision="float16")
    halved = {
        name: value.half() if value.is_floating_point() else value
        for name, value in content["state_dict"].items()
    }
    content["state_dict"] = halved
    loaded = load_checkpoint(save(content))
    assert all(tensor.dtype == torch.float32 for tensor in loaded.model.parameters())
    assert any("float16's rounding" in text for text in loaded.assumptions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model.memory_bank": torch.empty(0)}, "empty bank"),
        ({"model.memory_bank": torch.zeros(0, 80)}, "empty bank"),
        ({"model.memory_bank": torch.full((3, 80), torch.nan)}, "not finite"),
        ({"model.memory_bank": torch.zeros(1, 1).expand(2**16, 2**15)}, "thousand million"),
        ({"model.memory_bank": torch.zeros(5, 7)}, r"vectors of 7 channels.*have 80"),
        ({PREFIX + "conv1.0.weight": torch.zeros(2, 2)}, "has the shape"),
        ({PREFIX + "more": torch.zeros(2)}, "unexpected: .*more"),
        ({"model.anomaly_map_generator.blur.kernel": torch.ones(1, 1, 33, 33)}, "another Gaussian"),
    ],
    ids=["none", "no_rows", "nan", "huge", "channels", "shape", "more", "blur"],
)
def test_tensors_that_make_no_patchcore_are_refused(
    save: Save, change: dict[str, Tensor], message: str
) -> None:
    content = content_of()
    content["state_dict"] |= change
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(save(content))


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"layers": ["layer1", "layer9"]}, "joins the layers 'layer9', and its backbone has act1"),
        ({"layers": []}, "of no name"),
        ({"backbone": "vit_small_patch14_dinov2"}, "convolutional"),
        ({"backbone": "hf-hub:somebody/network"}, "timm .* has no network"),
        ({"backbone": "resnet50"}, "vectors of 80 channels"),
        ({"num_neighbors": 0}, "neighbors is 0"),
    ],
    ids=["layer", "no_layer", "vit", "download", "other", "neighbors"],
)
def test_a_network_that_takt_does_not_build_is_refused(
    save: Save, hyper: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(save(content_of(**hyper)))


def test_it_is_described(save: Save) -> None:
    described = describe(save(content_of()))
    assert described.loadable
    assert described.format == "anomalib .ckpt of Patchcore"
    assert (described.family, described.variant) == ("patchcore", TINY)
    assert described.statistics == "none needed"
    assert "nearest of 12 vectors" in str(described.map)
    assert "5 vectors around" in str(described.map)
