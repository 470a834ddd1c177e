from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from takt_models.dinomaly.config import DinomalyConfig, Prefix
from takt_models.dinomaly.decoder import LinearAttention
from takt_models.dinomaly.detector import Dinomaly
from takt_models.dinov2.maps import mean_of_highest

SMALLEST = DinomalyConfig(
    embed_dim=32,
    heads=2,
    target_blocks=(1, 2),
    decoder_depth=3,
    encoder_groups=((0,), (1,)),
    decoder_groups=((0, 1), (2,)),
    mlp_ratio=2,
    width=70,
    height=56,
)
PICTURES = 2


def a_model(**changes: Any) -> Dinomaly:
    torch.manual_seed(0)
    model = Dinomaly(replace(SMALLEST, **changes))
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.2, 1.2)
    return model.eval()


def pictures() -> Tensor:
    return torch.rand(PICTURES, 3, 56, 70, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embed_dim": 0}, "embed_dim is 0; it must be a whole number"),
        ({"heads": 5}, "heads is 5; it must divide embed_dim, 32"),
        ({"registers": -1}, "registers is -1; it must be 0 or a whole number"),
        ({"height": 400}, "height is 400; it must be a multiple of 14"),
        ({"mlp_bias": "no"}, "mlp_bias is 'no'; it must be true or false"),
        ({"recipe": "nelson1425"}, "recipe is 'nelson1425'; it must be official or anomalib"),
        ({"prefix": "kept"}, "prefix is 'kept'; it must be rebuilt or removed or subtracted"),
        ({"target_blocks": (2, 1)}, "target_blocks is .*rising order"),
        ({"encoder_groups": ((0,), (2,))}, "encoder_groups is .*indices below 2"),
        ({"decoder_groups": ((0,), (3,))}, "decoder_groups is .*indices below 3"),
        ({"decoder_groups": ((0, 1, 2),)}, "2 encoder_groups but 1 decoder_groups"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALLEST, **changes)


@torch.no_grad()
def test_linear_attention_is_attention_by_positive_features_that_sum_to_one() -> None:
    torch.manual_seed(0)
    attention = LinearAttention(8, heads=2)
    x = 3 * torch.randn(2, 5, 8)
    q, k, v = attention.qkv(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
    positive = [torch.where(one > 0, one + 1, one.exp()) for one in (q, k)]
    weights = positive[0] @ positive[1].transpose(-2, -1)
    seen = (weights / weights.sum(-1, keepdim=True)) @ v
    expected = attention.proj(seen.transpose(1, 2).flatten(2))
    torch.testing.assert_close(attention(x), expected)


@torch.no_grad()
def test_linear_attention_over_many_tokens_stays_within_half_precision() -> None:
    attention = LinearAttention(64, heads=1)
    q, k, v = (20 * torch.randn(1, 1, 2000, 64).abs() for _ in range(3))
    exact = attention.attend(q, k, v)
    half = attention.attend(q.half(), k.half(), v.half())
    torch.testing.assert_close(half.float(), exact, rtol=0.02, atol=0.1)


@torch.no_grad()
def test_the_decoder_s_last_block_is_compared_with_the_first_target_blocks() -> None:
    model = a_model()
    features = model.encode(model.normalize(pictures()))
    decoded = model.decode(features)
    groups = model.group(features, decoded)
    torch.testing.assert_close(groups.encoder[0], features[0][:, 5:])
    torch.testing.assert_close(groups.decoder[0], (decoded[0] + decoded[1])[:, 5:] / 2)
    last = model.decoder[2](
        model.decoder[1](model.decoder[0](model.bottleneck((features[0] + features[1]) / 2)))
    )
    torch.testing.assert_close(decoded[0], last)


@torch.no_grad()
def test_class_token_and_registers_are_rebuilt_or_removed_or_subtracted() -> None:
    def encoded(prefix: Prefix) -> tuple[Tensor, ...]:
        model = a_model(prefix=prefix)
        return model.encode(model.normalize(pictures()))

    found = map(encoded, ("rebuilt", "removed", "subtracted"))
    for whole, without, recentred in zip(*found, strict=True):
        assert whole.shape == (PICTURES, 5 + 20, 32)
        torch.testing.assert_close(without, whole[:, 5:])
        torch.testing.assert_close(recentred, whole[:, 5:] - whole[:, :1])


@pytest.mark.parametrize("prefix", ["rebuilt", "removed", "subtracted"])
@pytest.mark.parametrize("registers", [0, 4])
@torch.no_grad()
def test_a_picture_answers_alone_as_among_others(prefix: Prefix, registers: int) -> None:
    model = a_model(prefix=prefix, registers=registers)
    anomaly_map, score = model(pictures())
    assert anomaly_map.shape == (PICTURES, *model.map_size)
    assert score[0] != score[1]
    alone_map, alone_score = model(pictures()[1:])
    torch.testing.assert_close(alone_map[0], anomaly_map[1])
    torch.testing.assert_close(alone_score[0], score[1])


@torch.no_grad()
def test_the_official_recipe_scores_the_map_that_it_shows() -> None:
    model = a_model()
    assert model.map_size == model.scored_size == (229, 286)
    anomaly_map, score = model(pictures())
    torch.testing.assert_close(score, mean_of_highest(model.scored(anomaly_map).flatten(1)))
    assert model.scored(anomaly_map) is anomaly_map


@torch.no_grad()
def test_anomalib_shows_the_sharp_map_and_scores_a_smoothed_square_of_it() -> None:
    model = a_model(recipe="anomalib")
    assert (model.map_size, model.scored_size) == ((56, 70), (256, 256))
    anomaly_map, score = model(pictures())
    smoothed = model.scored(anomaly_map)
    assert smoothed.shape == (PICTURES, 256, 256)
    torch.testing.assert_close(score, smoothed.flatten(1).topk(655).values.mean(1))
    assert bool((score < anomaly_map.flatten(1).topk(39).values.mean(1)).all())


@torch.no_grad()
def test_what_lies_beyond_the_border_is_zero_officially_and_mirrored_by_anomalib() -> None:
    flat = torch.ones(1, 56, 70)
    official, anomalib = (
        a_model(recipe=recipe).smooth(flat) for recipe in ("official", "anomalib")
    )
    torch.testing.assert_close(anomalib, torch.ones(1, 256, 256))
    assert float(official[0, 0, 0]) < 0.5
    torch.testing.assert_close(official[0, 2:-2, 2:-2], torch.ones(225, 282))
