from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from takt_models.checkpoints.description import describe
from takt_models.checkpoints.errors import CheckpointError, UnsetStatisticsError
from takt_models.checkpoints.facts import Centre, Checkpoint, InputRecipe, TrainedThresholds
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.detector import IMAGENET_MEAN, IMAGENET_STD
from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import EfficientAd

Content = dict[str, Any]

Make = Callable[..., Content]

Save = Callable[[Content], Path]

DEFAULT = InputRecipe(256, 256, "tensor_bilinear", opened_by="pillow")

THRESHOLDS = TrainedThresholds(0.25, -0.5, 0.0, 1.0, -1.0, 3.0)

PRE_PROCESSOR = "anomalib.pre_processing.pre_processor.PreProcessor"

POST_PROCESSOR = "anomalib.post_processing.post_processor.PostProcessor"

RESIZE = ("Resize", {"size": [256, 256]})


def efficientad(checkpoint: Checkpoint) -> EfficientAd:
    assert isinstance(checkpoint.model, EfficientAd)
    return checkpoint.model


@pytest.mark.parametrize("size", ["small", "medium"])
def test_every_tensor_of_an_efficientad_comes_to_its_place(
    anomalib_2_7: Make, save: Save, size: Any
) -> None:
    loaded = load_checkpoint(save(anomalib_2_7(size=size)))
    model = efficientad(loaded)
    assert model.config == EfficientAdConfig(size=size, recipe="anomalib")
    assert not any(module.training for module in model.modules())
    networks = {name: weight for name, weight in model.state_dict().items() if "." in name}
    for index, (name, weight) in enumerate(networks.items(), start=1):
        assert weight.dtype == torch.float32
        assert torch.all(weight == torch.tensor(index / 1000)), name
    assert model.quantiles.tolist() == [1, 2, 3, 4]
    assert torch.all(model.teacher_mean == 0.5)
    assert torch.all(model.teacher_std == 2)


def test_a_checkpoint_of_2_7_says_everything(anomalib_2_7: Make, save: Save) -> None:
    loaded = load_checkpoint(save(anomalib_2_7()))
    assert loaded.framework == "anomalib"
    assert loaded.recipe == DEFAULT
    assert loaded.thresholds == THRESHOLDS
    assert loaded.made_with == {"anomalib": ">=2.7", "lightning": "2.6.6"}
    assert loaded.missing == loaded.assumptions == loaded.seen == ()


def test_the_size_of_the_input_follows_from_the_transforms(anomalib_2_7: Make, save: Save) -> None:
    content = anomalib_2_7(("Resize", {"size": [320, 400]}), ("CenterCrop", {"size": 288}))
    loaded = load_checkpoint(save(content))
    assert efficientad(loaded).config.input_size == (288, 288)
    assert loaded.recipe == InputRecipe(400, 320, "tensor_bilinear", Centre(288, 288), "pillow")


def test_an_input_that_is_no_square_is_taken(anomalib_2_7: Make, save: Save) -> None:
    loaded = load_checkpoint(save(anomalib_2_7(("Resize", {"size": [256, 320]}))))
    assert efficientad(loaded).input_size == efficientad(loaded).map_size == (256, 320)
    assert loaded.recipe == InputRecipe(320, 256, "tensor_bilinear", opened_by="pillow")


@pytest.mark.parametrize("size", ["small", "medium"])
def test_a_teacher_of_any_number_of_features_is_taken(
    anomalib_2_7: Make, save: Save, size: Any
) -> None:
    model = efficientad(load_checkpoint(save(anomalib_2_7(size=size, channels=128))))
    assert model.config == EfficientAdConfig(size=size, teacher_channels=128)
    assert model.teacher_mean.shape == (1, 128, 1, 1)


@pytest.mark.parametrize("channels", [torch.zeros(1).expand(10**9), torch.zeros(()), "many"])
def test_a_claim_of_more_features_than_there_are_takes_no_memory(
    anomalib_2_7: Make, save: Save, channels: object
) -> None:
    content = anomalib_2_7()
    content["state_dict"]["model.ae.decoder.deconv8.bias"] = channels
    with pytest.raises(CheckpointError, match=r"deconv8\.bias"):
        load_checkpoint(save(content))


@pytest.mark.parametrize("size", [[256, 330], [224, 224], [270, 270]])
def test_a_size_that_the_model_does_not_take_is_named(
    anomalib_2_7: Make, save: Save, size: list[int]
) -> None:
    path = save(anomalib_2_7(("Resize", {"size": size})))
    with pytest.raises(CheckpointError, match=rf"of a size .*{size[1]}.*must be a.*: train at"):
        load_checkpoint(path)


def test_padding_and_padded_maps_come_from_the_hyper_parameters(
    anomalib_2_7: Make, save: Save
) -> None:
    content = anomalib_2_7()
    content["hyper_parameters"] |= {"padding": True, "pad_maps": False}
    config = efficientad(load_checkpoint(save(content))).config
    assert config.padding and not config.pad_maps


def test_absent_hyper_parameters_are_assumed_and_told(anomalib_2_7: Make, save: Save) -> None:
    content = anomalib_2_7()
    del content["hyper_parameters"]
    loaded = load_checkpoint(save(content))
    assert efficientad(loaded).config == EfficientAdConfig()
    assert loaded.assumptions == (
        "padding is not stored; anomalib's default is False",
        "pad_maps is not stored; anomalib's default is True",
    )


def test_a_model_of_2_0_with_its_own_pre_processor_is_assumed_to_have_the_default(
    anomalib_2_0: Make, save: Save
) -> None:
    loaded = load_checkpoint(save(anomalib_2_0()))
    assert loaded.recipe == DEFAULT
    assert loaded.thresholds == THRESHOLDS
    assert loaded.made_with["anomalib"] == ">=2.0,<2.7"
    assert loaded.assumptions == (
        "how pictures were prepared is not stored; anomalib's default is resized to 256 x 256 "
        "(tensor_bilinear)",
    )


def test_a_pickled_pre_processor_of_2_0_is_read(
    anomalib_2_0: Make, save: Save, foreign: Any, transform: Any
) -> None:
    modules = {"transform": transform("Resize", size=[288, 288]), "export_transform": None}
    # Lightning binds it to the training.
    training = foreign.make("lightning.pytorch.trainer.trainer.Trainer", strategy=None)
    pre_processor = foreign.make(PRE_PROCESSOR, _modules=modules, log=training)
    loaded = load_checkpoint(save(anomalib_2_0(pre_processor=pre_processor)))
    assert loaded.recipe == InputRecipe(288, 288, "tensor_bilinear", opened_by="pillow")
    assert loaded.assumptions == ()


def test_a_pickled_post_processor_of_2_0_shifts_the_thresholds(
    anomalib_2_0: Make, save: Save, foreign: Any
) -> None:
    given = foreign.make(POST_PROCESSOR, image_sensitivity=0.75, pixel_sensitivity=0.25)
    loaded = load_checkpoint(save(anomalib_2_0(post_processor=given)))
    assert loaded.thresholds is not None
    assert loaded.thresholds.image == 0.25 - 0.25 * (1.0 - 0.0)
    assert loaded.thresholds.pixel == -0.5 + 0.25 * (3.0 - -1.0)


@pytest.mark.parametrize("pre_processor", [False, None, 3])
def test_a_model_of_2_0_without_a_pre_processor_is_refused(
    anomalib_2_0: Make, save: Save, pre_processor: object
) -> None:
    path = save(anomalib_2_0(pre_processor=pre_processor))
    with pytest.raises(CheckpointError, match=r"does not reproduce .its model has no pre-proc"):
        load_checkpoint(path)


def test_the_transform_of_1_2_is_read(anomalib_1: Make, save: Save, transform: Any) -> None:
    loaded = load_checkpoint(save(anomalib_1(transform("Resize", size=[320, 320]))))
    assert loaded.recipe == InputRecipe(320, 320, "tensor_bilinear", opened_by="pillow")
    assert loaded.thresholds == THRESHOLDS
    assert loaded.made_with == {"anomalib": ">=1.0,<2.0", "lightning": "2.1.0"}
    assert loaded.assumptions == ()


def test_a_missing_transform_of_1_2_is_assumed(anomalib_1: Make, save: Save) -> None:
    content = anomalib_1()
    content["transform"] = None
    loaded = load_checkpoint(save(content))
    assert loaded.recipe == DEFAULT
    assert len(loaded.assumptions) == 1


def test_a_model_of_1_0_normalises_twice_as_it_was_trained(
    anomalib_1: Make, save: Save, transform: Any
) -> None:
    imagenet = {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)}
    content = anomalib_1(transform("Resize", size=[256, 256]), transform("Normalize", **imagenet))
    model = efficientad(load_checkpoint(save(content)))
    image = torch.rand(1, 3, 2, 2)
    once = (image.double() - tensor(IMAGENET_MEAN)) / tensor(IMAGENET_STD)
    twice = (once - tensor(IMAGENET_MEAN)) / tensor(IMAGENET_STD)
    torch.testing.assert_close(model.normalize(image), twice.float(), rtol=1e-5, atol=1e-5)


def tensor(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1)


def test_the_ends_of_1_0_are_those_of_scores_and_maps(
    anomalib_1: Make, save: Save, transform: Any
) -> None:
    content = anomalib_1(transform("Resize", size=[256, 256]))
    state = content["state_dict"]
    for name in [name for name in state if name.startswith("normalization_metrics.")]:
        del state[name]
    state["normalization_metrics.min"] = torch.tensor(-2.0)
    state["normalization_metrics.max"] = torch.tensor(4.0)
    loaded = load_checkpoint(save(content))
    assert loaded.thresholds == TrainedThresholds(0.25, -0.5, -2.0, 4.0, -2.0, 4.0)


def test_unset_thresholds_are_none(anomalib_2_7: Make, save: Save) -> None:
    content = anomalib_2_7()
    for name in content["state_dict"]:
        if name.startswith("post_processor."):
            content["state_dict"][name] = torch.tensor(torch.nan)
    assert load_checkpoint(save(content)).thresholds is None


@pytest.mark.parametrize(
    ("unset", "image", "pixel"), [("pixel", 0.25, 0.25), ("image", -0.5, -0.5)]
)
def test_an_unset_threshold_is_that_of_the_other_as_anomalib_does(
    anomalib_2_7: Make, save: Save, unset: str, image: float, pixel: float
) -> None:
    content = anomalib_2_7()
    content["state_dict"][f"post_processor._{unset}_threshold"] = torch.tensor(torch.nan)
    loaded = load_checkpoint(save(content))
    assert loaded.thresholds is not None
    assert (loaded.thresholds.image, loaded.thresholds.pixel) == (image, pixel)
    content["anomalib_post_processor_config"]["enable_threshold_matching"] = False
    assert load_checkpoint(save(content)).thresholds is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("mean_std.std", 0.0, "has no teacher statistics"),
        ("quantiles.qb_st", 1.0, "has no quantiles of its maps"),
        ("quantiles.qb_ae", -1.0, "has no quantiles of its maps"),
    ],
)
def test_statistics_that_were_never_set_are_refused(
    anomalib_2_7: Make, save: Save, name: str, value: float, message: str
) -> None:
    content = anomalib_2_7()
    former = content["state_dict"][f"model.{name}"]
    content["state_dict"][f"model.{name}"] = torch.full_like(former, value)
    path = save(content)
    with pytest.raises(UnsetStatisticsError, match=f"{message} .*: its training ended too early"):
        load_checkpoint(path)
    described = describe(path)
    assert described.statistics == "never set"
    assert described.format == "anomalib .ckpt of EfficientAd"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model.student.conv2.bias": None}, "missing: student.conv2.bias; unexpected: none"),
        ({"model.mean_std.std": None}, "missing: mean_std.std"),
        ({"model.quantiles.qa_ae": None}, r"quantiles .* .missing: quantiles.qa_ae."),
        ({"model.quantiles.qa_ae": "x"}, "missing: quantiles.qa_ae"),
        ({"model.student.conv9.bias": torch.zeros(2)}, "unexpected: student.conv9.bias"),
        (
            {"model.ae.encoder.enconv1.bias": torch.zeros(33)},
            r"ae.encoder.enconv1.bias has the shape \[33\] instead of \[32\]",
        ),
        (
            {"model.ae.encoder.enconv1.bias": torch.zeros(32, dtype=torch.int64)},
            "ae.encoder.enconv1.bias is no tensor of floating-point numbers",
        ),
        ({"model.ae.encoder.enconv1.bias": "zero"}, "is no tensor of floating-point numbers"),
        (
            {"model.ae.encoder.enconv1.bias": torch.zeros(32).to_sparse()},
            "is no tensor of floating-point numbers",
        ),
        (
            {"model.ae.encoder.enconv1.bias": torch.full((32,), torch.nan)},
            "ae.encoder.enconv1.bias holds numbers that are not finite",
        ),
        ({"model.quantiles.qa_ae": torch.tensor(torch.inf)}, "quantiles holds numbers that are"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    anomalib_2_7: Make, save: Save, change: dict[str, Any], message: str
) -> None:
    content = anomalib_2_7()
    content["state_dict"] |= change
    for name in [name for name, value in change.items() if value is None]:
        del content["state_dict"][name]
    with pytest.raises(CheckpointError, match=f"{message}.*: save it again with anomalib"):
        load_checkpoint(save(content))


def test_entries_that_are_not_the_models_do_not_matter(anomalib_2_7: Make, save: Save) -> None:
    content = anomalib_2_7()
    content["state_dict"] |= {"evaluator.F1.tp": torch.zeros(1), "image_metrics_class": "F1"}
    content |= {"callbacks": {"x": {"best": torch.zeros(1)}}, "optimizer_states": [{"step": 3}]}
    assert load_checkpoint(save(content)).thresholds == THRESHOLDS


def drop_config(content: Content) -> None:
    del content["anomalib_pre_processor_config"]


def drop_transform(content: Content) -> None:
    content["anomalib_pre_processor_config"]["transform"] = None


def disable(content: Content) -> None:
    content["anomalib_components_enabled"]["pre_processor"] = False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_config, "its pre-processor is one that anomalib does not store"),
        (drop_transform, "its pre-processor is one that anomalib does not store"),
        (disable, "its model has no pre-processor"),
    ],
)
def test_a_checkpoint_of_2_7_that_does_not_say_how_pictures_were_prepared_is_refused(
    anomalib_2_7: Make, save: Save, change: Callable[[Content], None], message: str
) -> None:
    content = anomalib_2_7()
    change(content)
    with pytest.raises(CheckpointError, match=f"{message}.*: train with a pre-processor of Resize"):
        load_checkpoint(save(content))
