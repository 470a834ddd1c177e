from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.dinov2.encoder import DinoEncoder
from models.dinov2.maps import Groups
from models.inpformer.config import InpFormerConfig
from models.inpformer.detector import InpFormer
from models.inpformer.inp import CrossAttention, DecoderBlock, GuidedAttention, InpExtractor

SMALLEST = InpFormerConfig(
    embed_dim=32,
    encoder_heads=2,
    decoder_heads=4,
    target_blocks=(1, 2),
    decoder_depth=3,
    encoder_groups=((0,), (1,)),
    decoder_groups=((0, 1), (2,)),
    inp_count=5,
    mlp_ratio=2,
    width=56,
    height=56,
)


def config_with(**changes: Any) -> InpFormerConfig:
    return InpFormerConfig(**{**SMALLEST.as_dict(), **changes})


def unlike_defaults(module: nn.Module) -> None:
    """Give every parameter of one dimension a part to play: norms, biases, LayerScale."""
    for parameter in module.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.2, 1.2)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=["official", "anomalib"])
def either_recipe(request: pytest.FixtureRequest) -> InpFormer:
    return InpFormer(config_with(recipe=request.param)).eval()


@pytest.fixture(scope="module")
def official() -> InpFormer:
    """Of which only the arithmetic after the networks is used."""
    return InpFormer(config_with(width=392, height=392)).eval()


@pytest.fixture(scope="module")
def anomalib() -> InpFormer:
    """Likewise."""
    return InpFormer(config_with(width=392, height=392, recipe="anomalib")).eval()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embed_dim": 0}, "embed_dim is 0; it must be a whole number"),
        ({"inp_count": 2.5}, r"inp_count is 2\.5; it must be a whole number"),
        ({"decoder_depth": True}, "decoder_depth is True; it must be a whole number"),
        ({"encoder_heads": 5}, "encoder_heads is 5; it must divide embed_dim, 32"),
        ({"decoder_heads": 6}, "decoder_heads is 6; it must divide embed_dim, 32"),
        ({"width": 400}, "width is 400; it must be a multiple of 14"),
        ({"mlp_bias": "no"}, "mlp_bias is 'no'; it must be true or false"),
        ({"recipe": "nelson1425"}, "recipe is 'nelson1425'; it must be official or anomalib"),
        ({"mode": "few_shot"}, "mode is 'few_shot'; it must be reconstruction or zero_shot"),
        ({"target_blocks": ()}, "target_blocks is .*rising order"),
        ({"target_blocks": (2, 1)}, "target_blocks is .*rising order"),
        ({"target_blocks": (1, 1)}, "target_blocks is .*rising order"),
        ({"target_blocks": (-1, 1)}, "target_blocks is .*rising order"),
        ({"encoder_groups": ((0,), (2,))}, "encoder_groups is .*indices below 2"),
        ({"encoder_groups": ((0,), ())}, "encoder_groups is .*indices below 2"),
        ({"encoder_groups": ()}, "encoder_groups is .*indices below 2"),
        ({"decoder_groups": ((0,), (3,))}, "decoder_groups is .*indices below 3"),
        ({"decoder_groups": ((0, 1, 2),)}, "2 encoder_groups but 1 decoder_groups"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config_with(**changes)


def test_the_settings_survive_json() -> None:
    config = config_with(recipe="anomalib", mode="zero_shot", mlp_bias=False)
    assert InpFormerConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ValueError, match="no setting depth, size"):
        InpFormerConfig.from_dict({"size": 1, "depth": 2, "embed_dim": 64})


@pytest.mark.parametrize(
    ("dim", "name"), [(384, "small"), (768, "base"), (1024, "large"), (64, "dim64")]
)
def test_a_variant_is_named_by_its_channels(dim: int, name: str) -> None:
    assert config_with(embed_dim=dim).variant == name


@pytest.mark.parametrize(
    ("recipe", "side", "scored"), [("official", 256, 655), ("anomalib", 392, 1536)]
)
def test_each_recipe_scores_a_hundredth_of_its_own_map(recipe: str, side: int, scored: int) -> None:
    config = InpFormerConfig.from_dict({"recipe": recipe})
    assert (config.map_size, config.scored_pixels) == ((side, side), scored)


@pytest.mark.parametrize(
    ("recipe", "map_size", "scored"), [("official", (162, 405), 656), ("anomalib", (56, 140), 78)]
)
def test_a_wide_input_gives_a_wide_map_of_the_recipes_scale(
    recipe: str, map_size: tuple[int, int], scored: int
) -> None:
    config = config_with(width=140, height=56, recipe=recipe)
    assert config.grid == (4, 10)
    assert (config.map_size, config.scored_pixels) == (map_size, scored)
    with torch.no_grad():
        anomaly_map, score = InpFormer(config).eval()(torch.rand(2, 3, 56, 140))
    assert anomaly_map.shape[1:] == map_size
    assert score.shape == (2,)


@torch.no_grad()
def test_the_encoder_is_timms_dinov2_with_registers() -> None:
    from timm.models.vision_transformer import VisionTransformer

    ours = DinoEncoder(SMALLEST.encoder_shape)
    unlike_defaults(ours)
    theirs = VisionTransformer(
        img_size=56,
        patch_size=14,
        embed_dim=32,
        depth=5,
        num_heads=2,
        mlp_ratio=2,
        init_values=1e-5,
        reg_tokens=4,
        no_embed_class=True,
        num_classes=0,
    )
    renamed = {
        name.replace("patch_embed.", "patch_embed.proj.").replace("registers", "reg_token"): value
        for name, value in ours.state_dict().items()
    }
    left_out = theirs.load_state_dict(renamed, strict=False)
    assert not left_out.unexpected_keys
    assert all(name.startswith(("blocks.3", "blocks.4", "norm")) for name in left_out.missing_keys)

    image = torch.randn(2, 3, 56, 56)
    expected = theirs.eval().forward_intermediates(
        image, indices=[1, 2], output_fmt="NLC", intermediates_only=True
    )
    found = ours.eval()(image)
    assert len(found) == 2
    for our, their in zip(found, expected, strict=True):
        torch.testing.assert_close(our, their)


def test_no_block_follows_the_last_one_that_is_used() -> None:
    encoder = DinoEncoder(config_with(target_blocks=(0, 3)).encoder_shape)
    assert len(encoder.blocks) == 4
    assert not any(name.startswith("norm") for name in encoder.state_dict())


@torch.no_grad()
def test_nothing_is_interpolated_while_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = DinoEncoder(SMALLEST.encoder_shape)
    monkeypatch.delattr(F, "interpolate")
    encoder(torch.zeros(1, 3, 56, 56))


@torch.no_grad()
def test_the_cross_attention_is_that_of_torch() -> None:
    ours = CrossAttention(32, 4)
    theirs = nn.MultiheadAttention(32, 4, batch_first=True)
    theirs.in_proj_weight.copy_(torch.cat([ours.q.weight, ours.kv.weight]))
    theirs.in_proj_bias.copy_(torch.cat([ours.q.bias, ours.kv.bias]))
    theirs.out_proj.load_state_dict(ours.proj.state_dict())
    queries, context = torch.randn(2, 5, 32), torch.randn(2, 9, 32)
    expected, _ = theirs(queries, context, context)
    torch.testing.assert_close(ours(queries, context), expected)


@torch.no_grad()
def test_guided_attention_weighs_values_by_the_positive_scaled_cosine_of_each_head() -> None:
    attention = GuidedAttention(6, 2)
    attention.learn_scale.copy_(torch.tensor([2.0, 0.5]).view(2, 1, 1))
    attention.proj.weight.copy_(torch.eye(6))
    attention.proj.bias.zero_()
    tokens, inps = torch.randn(1, 4, 6), torch.randn(1, 3, 6)
    found = attention(tokens, inps)[0].numpy()

    q = attention.q(tokens)[0].numpy()
    k, v = np.split(attention.kv(inps)[0].numpy(), 2, axis=1)
    expected = np.zeros((4, 6))
    for head, scale in enumerate((2.0, 0.5)):
        of_head = slice(3 * head, 3 * head + 3)
        for token in range(4):
            for inp in range(3):
                a, b = q[token, of_head], k[inp, of_head]
                cosine = a @ b / math.sqrt((a @ a) * (b @ b))
                expected[token, of_head] += max(0.0, scale * cosine) * v[inp, of_head]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@torch.no_grad()
def test_a_token_that_resembles_no_inp_gets_nothing_of_them() -> None:
    attention = GuidedAttention(6, 1)
    attention.q.load_state_dict({"weight": torch.eye(6), "bias": torch.zeros(6)})
    attention.kv.load_state_dict({"weight": torch.eye(6).repeat(2, 1), "bias": torch.zeros(12)})
    inps = torch.rand(1, 3, 6)
    found = attention(-inps, inps)
    torch.testing.assert_close(found, attention.proj.bias.expand(1, 3, 6))


@torch.no_grad()
def test_the_extractor_adds_to_its_learned_tokens_what_they_see() -> None:
    extractor = InpExtractor(SMALLEST)
    unlike_defaults(extractor)
    x = torch.randn(2, 16, 32)
    learned = extractor.tokens
    normed = F.layer_norm(learned, (32,), extractor.norm1.weight, extractor.norm1.bias, 1e-8)
    context = F.layer_norm(x, (32,), extractor.norm1.weight, extractor.norm1.bias, 1e-8)
    seen = torch.stack([learned + extractor.attn(normed[None], one[None])[0] for one in context])
    torch.testing.assert_close(extractor(x), seen + extractor.mlp(extractor.norm2(seen)))


@torch.no_grad()
def test_no_residual_goes_around_the_decoders_attention() -> None:
    block = DecoderBlock(SMALLEST)
    nn.init.zeros_(block.mlp.fc2.weight)
    nn.init.zeros_(block.mlp.fc2.bias)
    x, inps = torch.randn(1, 7, 32), torch.randn(1, 5, 32)
    torch.testing.assert_close(block(x, inps), block.attn(block.norm1(x), block.norm1(inps)))


@pytest.mark.parametrize("bias", [True, False])
def test_mlp_bias_is_of_extractor_and_decoder_alone(bias: bool) -> None:
    names = InpFormer(config_with(mlp_bias=bias)).state_dict().keys()
    assert "bottleneck.fc1.bias" in names
    assert "encoder.blocks.0.mlp.fc1.bias" in names
    assert ("extractor.mlp.fc1.bias" in names) == bias
    assert ("decoder.2.mlp.fc2.bias" in names) == bias


@torch.no_grad()
def test_tokens_of_all_target_blocks_count_alike() -> None:
    parts = [torch.full((1, 16, 32), value) for value in (1.0, 2.0, 6.0)]
    torch.testing.assert_close(InpFormer(SMALLEST).fuse(parts), torch.full((1, 16, 32), 3.0))


@torch.no_grad()
def test_the_decoders_outputs_come_last_first() -> None:
    model = InpFormer(SMALLEST)
    fused, inps = torch.randn(1, 16, 32), torch.randn(1, 5, 32)
    x = model.bottleneck(fused)
    one = model.decoder[0](x, inps)
    two = model.decoder[1](one, inps)
    three = model.decoder[2](two, inps)
    for found, expected in zip(model.decode(fused, inps), (three, two, one), strict=True):
        assert torch.equal(found, expected)


@torch.no_grad()
def test_groups_are_means_of_the_blocks_that_the_configuration_names() -> None:
    levels = [torch.full((1, 16, 32), float(level)) for level in range(6)]
    groups = InpFormer(SMALLEST).group(levels[:2], levels[2:5])
    assert [group.unique().item() for group in groups.encoder] == [0, 1]
    assert [group.unique().item() for group in groups.decoder] == [2.5, 4]


@torch.no_grad()
def test_a_group_map_is_one_minus_the_cosine_of_each_patch() -> None:
    ours = torch.zeros(1, 16, 32)
    theirs = torch.zeros(1, 16, 32)
    ours[..., 0] = 3
    theirs[0, :, 0], theirs[0, :4, 1] = 1, 1
    theirs[0, 15] *= -7
    maps = InpFormer(SMALLEST).group_maps(Groups((ours, ours), (ours, theirs)))
    assert maps.shape == (1, 2, 4, 4)
    torch.testing.assert_close(maps[0, 0], torch.zeros(4, 4))
    expected = torch.zeros(4, 4)
    expected[0], expected[3, 3] = 1 - math.sqrt(0.5), 2
    torch.testing.assert_close(maps[0, 1], expected)


@torch.no_grad()
def test_the_distance_is_to_the_nearest_inp() -> None:
    model = InpFormer(SMALLEST)
    fused, inps = torch.randn(2, 16, 32), torch.randn(2, 5, 32)
    fused[1, 6] = 4 * inps[1, 3]
    found = model.distance(fused, inps)
    of_each = [1 - F.cosine_similarity(fused, inps[:, i : i + 1], dim=-1) for i in range(5)]
    torch.testing.assert_close(found.flatten(1), torch.stack(of_each).amin(0))
    assert found[1, 1, 2].item() == pytest.approx(0, abs=1e-6)


def test_coherence_is_the_mean_distance_of_each_picture() -> None:
    distance = torch.stack([torch.full((4, 4), 0.25), torch.arange(16.0).view(4, 4)])
    assert InpFormer(SMALLEST).coherence(distance).tolist() == [0.25, 7.5]


def test_the_input_is_normalised_as_imagenet_was(official: InpFormer) -> None:
    white = official.normalize(torch.ones(1, 3, 1, 1)).flatten().tolist()
    assert white == pytest.approx([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225], abs=1e-6)


def test_enlarging_puts_corners_on_corners(official: InpFormer) -> None:
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    enlarged = official.enlarge((rows + 100 * columns)[None])[0]
    line = torch.linspace(0, 27, 392)
    torch.testing.assert_close(enlarged, line[:, None] + 100 * line, atol=1e-3, rtol=0)


def test_the_official_map_is_that_of_a_gaussian_over_zeros(official: InpFormer) -> None:
    dot = torch.zeros(1, 392, 392)
    dot[0, 190:202, 190:202] = 1
    plain = F.interpolate(dot[None], size=256, mode="bilinear")[0, 0].double().numpy()
    found = official.smooth(dot)[0].numpy()
    weights = np.array(
        [[math.exp(-(r * r + c * c) / 32) for c in range(-2, 3)] for r in range(-2, 3)]
    )
    weights /= weights.sum()
    for row, column in ((125, 127), (122, 131), (60, 60)):
        around = plain[row - 2 : row + 3, column - 2 : column + 3]
        assert found[row, column] == pytest.approx((around * weights).sum(), abs=1e-6)

    flat = official.smooth(torch.ones(1, 392, 392))[0]
    assert flat.shape == (256, 256)
    torch.testing.assert_close(flat[2:-2, 2:-2], torch.ones(252, 252))
    assert flat[0, 0].item() == pytest.approx(weights[2:, 2:].sum(), abs=1e-6)


def test_the_map_of_anomalib_keeps_its_size_and_mirrors_at_the_border(anomalib: InpFormer) -> None:
    flat = anomalib.smooth(torch.ones(1, 392, 392))[0]
    torch.testing.assert_close(flat, torch.ones(392, 392))
    edge = torch.zeros(1, 392, 392)
    edge[0, :, 1] = 1
    weights = np.exp(-(np.arange(-2, 3) ** 2) / 32)
    weights /= weights.sum()
    # Column 1 is seen twice from column 0: itself, and mirrored at -1.
    expected = [2 * weights[1], weights[2] + weights[0], weights[1], weights[0], 0]
    np.testing.assert_allclose(anomalib.smooth(edge)[0, 200, :5], expected, atol=1e-6)


def test_the_score_is_the_mean_of_the_highest_hundredth(official: InpFormer) -> None:
    values = torch.arange(65536.0)[torch.randperm(65536)]
    ordered = values.view(1, 256, 256)
    mean_of_highest = 65536 - (655 + 1) / 2
    scores = official.score(torch.cat([ordered, ordered / 2]))
    assert scores.tolist() == pytest.approx([mean_of_highest, mean_of_highest / 2], rel=1e-6)


@torch.no_grad()
def test_the_answer_is_the_smoothed_mean_of_the_group_maps_and_its_score(
    either_recipe: InpFormer,
) -> None:
    model = either_recipe
    images = torch.rand(2, 3, 56, 56)
    anomaly_map, score = model(images)
    features = model.encode(model.normalize(images))
    fused = model.fuse(features)
    groups = model.group(features, model.decode(fused, model.extract(fused)))
    each = [model.enlarge(one) for one in model.group_maps(groups).unbind(1)]
    expected = model.smooth(torch.stack(each).mean(0))
    torch.testing.assert_close(anomaly_map, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(score, model.score(expected))
    assert anomaly_map.shape == (2, *model.map_size)


@torch.no_grad()
def test_another_mode_shares_the_weights_and_leaves_the_model_as_it_was(
    either_recipe: InpFormer,
) -> None:
    images = torch.rand(2, 3, 56, 56)
    before = either_recipe(images)[0]
    zero_shot = either_recipe.in_mode("zero_shot")
    fused = either_recipe.fuse(either_recipe.encode(either_recipe.normalize(images)))
    distance = either_recipe.distance(fused, either_recipe.extract(fused))
    expected = either_recipe.smooth(either_recipe.enlarge(distance))
    assert torch.equal(zero_shot(images)[0], expected)
    assert zero_shot.config.mode == "zero_shot"
    assert zero_shot.extractor.tokens is either_recipe.extractor.tokens
    assert torch.equal(either_recipe(images)[0], before)
    assert torch.equal(zero_shot.in_mode("reconstruction")(images)[0], before)


@torch.no_grad()
def test_a_picture_gets_the_same_answer_alone_and_in_a_batch(either_recipe: InpFormer) -> None:
    images = torch.rand(3, 3, 56, 56)
    together = either_recipe(images)
    for index in range(3):
        for alone, all_three in zip(
            either_recipe(images[index : index + 1]), together, strict=True
        ):
            torch.testing.assert_close(alone[0], all_three[index], atol=1e-6, rtol=0)


def test_both_losses_reach_what_is_fitted() -> None:
    model = InpFormer(SMALLEST)
    features = model.encode(torch.randn(1, 3, 56, 56))
    fused = model.fuse(features)
    inps = model.extract(fused)
    maps: Tensor = model.group_maps(model.group(features, model.decode(fused, inps)))
    (maps.mean() + model.coherence(model.distance(fused, inps)).mean()).backward()
    for part in (model.extractor, model.bottleneck, model.decoder):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name
