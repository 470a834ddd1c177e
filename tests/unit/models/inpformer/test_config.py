"""The settings of an INP-Former."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from takt_models.inpformer.config import InpFormerConfig
from takt_models.inpformer.detector import InpFormer
from tests.unit.models.inpformer.smallest import config_with

pytestmark = pytest.mark.usefixtures("seed")


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
