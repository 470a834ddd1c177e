from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from takt_models.dinov2.foreign import ForeignWeightsError
from takt_models.dinov2.positions import official_positions
from takt_models.inpformer.config import InpFormerConfig
from takt_models.inpformer.detector import InpFormer
from takt_models.inpformer.weights import ANOMALIB, OFFICIAL, from_state

SIDE = 70
GRID = 5

State = dict[str, Tensor]


def a_model(**changes: Any) -> InpFormer:
    torch.manual_seed(0)
    sides = {"width": SIDE, "height": SIDE}
    settings = {"embed_dim": 64, "encoder_heads": 1, "decoder_heads": 2, **sides}
    model = InpFormer(InpFormerConfig.from_dict({**settings, **changes}))
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.2, 1.2)
    return model.eval()


def transformer_block(state: State, theirs: str, ours: str) -> State:
    return {
        theirs + name.removeprefix(ours): value
        for name, value in state.items()
        if name.startswith(ours)
    }


def as_official(model: InpFormer) -> State:
    """What the official code would have saved of it, on a grid of the input's own size."""
    ours = model.state_dict()
    dim = model.config.embed_dim
    of_class = torch.randn(1, 1, dim)
    state = {
        "prototype_token": ours["extractor.tokens"],
        "encoder.cls_token": ours["encoder.cls_token"] - of_class,
        "encoder.pos_embed": torch.cat([of_class, ours["encoder.pos_embed"]], dim=1),
        "encoder.register_tokens": ours["encoder.registers"],
        "encoder.mask_token": torch.zeros(1, dim),
        "encoder.patch_embed.proj.weight": ours["encoder.patch_embed.weight"],
        "encoder.patch_embed.proj.bias": ours["encoder.patch_embed.bias"],
        "encoder.norm.weight": torch.ones(dim),
        "encoder.norm.bias": torch.zeros(dim),
    }
    blocks = (
        ("encoder.blocks.", "encoder.blocks."),
        ("aggregation.0.", "extractor."),
        ("bottleneck.0.", "bottleneck."),
        ("decoder.", "decoder."),
    )
    for theirs, mine in blocks:
        state |= transformer_block(ours, theirs, mine)
    del state["aggregation.0.tokens"]
    return {name: value.clone() for name, value in state.items()}


def as_anomalib(model: InpFormer) -> State:
    """Likewise of anomalib, keys without the leading `model.`."""
    ours = model.state_dict()
    timm = "encoder.feature_extractor."
    state = {
        "prototype_token.0": ours["extractor.tokens"],
        timm + "cls_token": ours["encoder.cls_token"],
        timm + "reg_token": ours["encoder.registers"],
        timm + "pos_embed": ours["encoder.pos_embed"],
        timm + "patch_embed.proj.weight": ours["encoder.patch_embed.weight"],
        timm + "patch_embed.proj.bias": ours["encoder.patch_embed.bias"],
        timm + "norm.weight": torch.ones(64),
        timm + "norm.bias": torch.zeros(64),
        "gaussian_blur.kernel": torch.ones(1, 1, 5, 5),
        "trainable_modules.0.0.fc1.weight": torch.ones(256, 64),
        "trainable_modules.3.0": torch.ones(6, 64),
    }
    blocks = (
        (timm + "blocks.", "encoder.blocks."),
        ("aggregation.0.", "extractor."),
        ("bottleneck.0.", "bottleneck."),
        ("decoder.", "decoder."),
    )
    for theirs, mine in blocks:
        state |= transformer_block(ours, theirs, mine)
    del state["aggregation.0.tokens"]
    return {name: value.clone() for name, value in state.items()}


@pytest.fixture(scope="module")
def saved_by_official() -> State:
    return as_official(a_model())


@pytest.fixture(scope="module")
def saved_by_anomalib() -> State:
    return as_anomalib(a_model(recipe="anomalib", mlp_bias=False))


@pytest.fixture
def official_state(saved_by_official: State) -> State:
    return dict(saved_by_official)


@pytest.fixture
def anomalib_state(saved_by_anomalib: State) -> State:
    return dict(saved_by_anomalib)


def assert_the_same(found: InpFormer, expected: InpFormer) -> None:
    assert found.config == expected.config
    assert not found.training
    ours, theirs = found.state_dict(), expected.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], atol=1e-6, rtol=0, msg=name)
    images = torch.rand(1, 3, SIDE, SIDE)
    with torch.inference_mode():
        torch.testing.assert_close(found(images)[0], expected(images)[0], atol=1e-5, rtol=0)


def test_an_official_state_dict_becomes_the_model_that_it_is_of(official_state: State) -> None:
    assert_the_same(from_state(official_state, OFFICIAL, width=SIDE, height=SIDE), a_model())


def test_a_state_dict_of_anomalib_becomes_the_model_that_it_is_of(anomalib_state: State) -> None:
    expected = a_model(recipe="anomalib", mlp_bias=False)
    assert_the_same(from_state(anomalib_state, ANOMALIB, width=SIDE, height=SIDE), expected)


def test_biases_in_the_mlps_of_anomalib_are_taken_where_they_are() -> None:
    expected = a_model(recipe="anomalib")
    assert_the_same(from_state(as_anomalib(expected), ANOMALIB, width=SIDE, height=SIDE), expected)


def test_float16_becomes_float32(official_state: State) -> None:
    model = from_state(
        {k: v.half() for k, v in official_state.items()}, OFFICIAL, width=SIDE, height=SIDE
    )
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}


def test_every_size_is_read_off_the_shapes() -> None:
    expected = a_model(
        embed_dim=128,
        encoder_heads=2,
        decoder_heads=4,
        target_blocks=[0, 1],
        decoder_depth=3,
        encoder_groups=[[0], [1]],
        decoder_groups=[[0, 1], [2]],
        inp_count=4,
        mlp_ratio=2,
    )
    found = from_state(
        as_official(expected),
        OFFICIAL,
        target_blocks=(0, 1),
        encoder_groups=((0,), (1,)),
        decoder_groups=((0, 1), (2,)),
        width=SIDE,
        height=SIDE,
    )
    assert_the_same(found, expected)


@pytest.mark.parametrize(("depth", "last"), [(10, 9), (12, 9), (24, 18)])
def test_an_official_encoder_of_24_blocks_is_used_up_to_block_18(depth: int, last: int) -> None:
    state = as_official(a_model(target_blocks=[*range(depth - 8, depth)]))
    model = from_state(state, OFFICIAL, width=SIDE, height=SIDE)
    assert model.config.target_blocks[-1] == last
    assert len(model.config.target_blocks) == 8
    assert len(model.encoder.blocks) == last + 1


def test_anomalib_uses_blocks_2_to_9_of_any_encoder() -> None:
    state = as_anomalib(a_model(recipe="anomalib", target_blocks=[*range(16, 24)]))
    assert from_state(state, ANOMALIB, width=SIDE, height=SIDE).config.target_blocks == tuple(
        range(2, 10)
    )


def test_the_hyper_parameters_of_anomalib_count_where_they_are_given(anomalib_state: State) -> None:
    config = from_state(
        anomalib_state,
        ANOMALIB,
        target_blocks=(1, 4),
        encoder_groups=((0,), (1,)),
        decoder_groups=((0, 1, 2, 3), (7,)),
        width=SIDE,
        height=SIDE,
        mode="zero_shot",
    ).config
    assert config.target_blocks == (1, 4)
    assert config.encoder_groups == ((0,), (1,))
    assert config.decoder_groups == ((0, 1, 2, 3), (7,))
    assert config.mode == "zero_shot"


def test_the_positions_of_a_larger_training_grid_are_resized_once(official_state: State) -> None:
    positions = torch.randn(1, 1 + 37 * 37, 64)
    official_state["encoder.pos_embed"] = positions
    encoder = from_state(official_state, OFFICIAL, width=SIDE, height=SIDE).encoder
    assert torch.equal(encoder.pos_embed, official_positions(positions[:, 1:], (GRID, GRID)))
    assert torch.equal(encoder.cls_token, official_state["encoder.cls_token"] + positions[:, :1])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("prototype_token", "prototype_token is missing"),
        ("encoder.register_tokens", "encoder.register_tokens is missing"),
        ("encoder.pos_embed", "encoder.pos_embed is missing"),
        ("aggregation.0.mlp.fc1.weight", "aggregation.0.mlp.fc1.weight is missing"),
        ("decoder.3.attn.learn_scale", "decoder.3.attn.learn_scale is missing"),
        ("encoder.patch_embed.proj.bias", "encoder.patch_embed.proj.bias is missing"),
    ],
)
def test_a_missing_tensor_is_named_as_the_file_names_it(
    official_state: State, key: str, message: str
) -> None:
    del official_state[key]
    with pytest.raises(ForeignWeightsError, match=rf"official code saves it: {message}\. It"):
        from_state(official_state, OFFICIAL, width=SIDE, height=SIDE)


def test_many_missing_tensors_are_counted(official_state: State) -> None:
    state = {k: v for k, v in official_state.items() if not k.startswith("decoder.2.")}
    with pytest.raises(
        ForeignWeightsError, match=r"decoder\.2\.attn\.kv\.bias, .* and 11 more are missing"
    ):
        from_state(state, OFFICIAL, width=SIDE, height=SIDE)


def test_missing_biases_of_some_mlps_are_noticed(official_state: State) -> None:
    del official_state["aggregation.0.mlp.fc1.bias"]
    with pytest.raises(
        ForeignWeightsError, match=r"aggregation\.0\.mlp\.fc2\.bias.*none of its tensors"
    ):
        from_state(official_state, OFFICIAL, width=SIDE, height=SIDE)


@pytest.mark.parametrize(
    "key",
    [
        "head.weight",
        "extractor.norm1.bias",
        "encoder.blocks.x.norm1.bias",
        "encoder.mask_tokens",
        "decoder.1000000.norm1.bias",
        f"decoder.{'9' * 5000}.norm1.bias",
    ],
)
def test_a_superfluous_tensor_is_named(official_state: State, key: str) -> None:
    official_state[key] = torch.zeros(1)
    with pytest.raises(ForeignWeightsError, match=rf"{key} is none of its tensors"):
        from_state(official_state, OFFICIAL, width=SIDE, height=SIDE)


def test_the_layout_of_one_code_is_not_taken_for_that_of_the_other(
    official_state: State, anomalib_state: State
) -> None:
    with pytest.raises(ForeignWeightsError, match=r"anomalib saves it: prototype_token\.0 is"):
        from_state(official_state, ANOMALIB, width=SIDE, height=SIDE)
    with pytest.raises(ForeignWeightsError, match=r"official code saves it: prototype_token is"):
        from_state(anomalib_state, OFFICIAL, width=SIDE, height=SIDE)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("prototype_token", torch.zeros(64), r"prototype_token has the shape \[64\]"),
        ("prototype_token", torch.zeros(6, 60), "60 channels, no multiple of 64"),
        ("prototype_token", torch.zeros(6, 0), "0 channels, no multiple of 64"),
        ("decoder.0.attn.learn_scale", torch.ones(5, 1, 1), "decoder_heads is 5; it must divide"),
        ("decoder.1.attn.learn_scale", torch.ones(4, 1, 1), r"\[4, 1, 1\] instead of \[2, 1, 1\]"),
        ("encoder.pos_embed", torch.zeros(1, 25, 64), r"pos_embed has the shape \[1, 25, 64\]"),
        ("encoder.pos_embed", torch.zeros(1, 1, 64), r"pos_embed has the shape \[1, 1, 64\]"),
        ("encoder.pos_embed", torch.zeros(2, 26, 64), r"pos_embed has the shape \[2, 26, 64\]"),
        ("encoder.pos_embed", torch.zeros(1, 26, 32), r"pos_embed has the shape \[1, 26, 32\]"),
        ("encoder.register_tokens", torch.zeros(1, 8, 64), r"\[1, 8, 64\] instead of \[1, 4, 64\]"),
        ("encoder.blocks.9.mlp.fc1.weight", torch.zeros(128, 64), "blocks.9.mlp.fc1.weight has"),
        ("bottleneck.0.fc1.weight", torch.zeros(100, 64), r"instead of \[64, 64\]"),
        ("decoder.7.norm1.bias", torch.zeros(64, dtype=torch.int32), "torch.int32"),
    ],
)
def test_a_tensor_of_a_wrong_kind_is_named(
    official_state: State, key: str, value: Tensor, message: str
) -> None:
    official_state[key] = value
    with pytest.raises(ForeignWeightsError, match=message):
        from_state(official_state, OFFICIAL, width=SIDE, height=SIDE)


def test_an_encoder_that_ends_before_the_target_blocks_is_refused(official_state: State) -> None:
    with pytest.raises(ForeignWeightsError, match=r"has 10 blocks, but block 1000000 "):
        from_state(
            official_state,
            OFFICIAL,
            target_blocks=(1, 10**6),
            encoder_groups=((0,), (1,)),
            width=SIDE,
            height=SIDE,
        )


def test_arguments_that_make_no_sense_are_refused(official_state: State) -> None:
    with pytest.raises(ForeignWeightsError, match="width is 71; it must be a multiple"):
        from_state(official_state, OFFICIAL, width=71, height=71)
