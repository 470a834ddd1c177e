"""The networks together, and the arithmetic after them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from takt_models.dinov2.encoder import DinoEncoder
from takt_models.dinov2.maps import Groups
from takt_models.inpformer.detector import InpFormer
from tests.unit.models.inpformer.smallest import SMALLEST, config_with, unlike_defaults

pytestmark = pytest.mark.usefixtures("seed")


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
