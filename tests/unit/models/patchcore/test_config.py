from __future__ import annotations

import json
from typing import Any

import pytest

from takt_models.patchcore.config import PatchCoreConfig


def test_settings_survive_json() -> None:
    config = PatchCoreConfig((300, 500), 320, 160, layers=(2, 7))
    assert PatchCoreConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bank_sizes": (10, 0)}, "bank_sizes is 0; it must be a whole number of at least 1"),
        ({"bank_sizes": (10,)}, "it must have one for each of the 2 layers"),
        ({"width": 250}, "width is 250; it must be a multiple of 16, such as 256"),
        ({"height": 4}, "height is 4; it must be a multiple of 16, such as 16"),
        ({"encoder": "dinov2", "width": 256}, "a multiple of 14, such as 252"),
        ({"encoder": "resnet"}, "encoder is 'resnet'; it must be lite0 or dinov2"),
        ({"layers": ()}, "it must name blocks in rising order"),
        ({"layers": (4, 2)}, "it must name blocks in rising order"),
        ({"layers": (2, 11)}, "the blocks of lite0 are 0 to 10"),
        ({"encoder_heads": 5}, "encoder_heads is 5; it must divide embed_dim, 384"),
    ],
)
def test_settings_that_make_no_sense_say_what_would(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PatchCoreConfig(**{"bank_sizes": (10, 20)} | changes)


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ValueError, match="has no setting depth: take it out"):
        PatchCoreConfig.from_dict({"bank_sizes": [10, 20], "depth": 3})


def test_settings_from_before_what_is_usual_was_known_are_told_apart_from_unknown_ones() -> None:
    with pytest.raises(ValueError, match="does not know what is usual at each place"):
        PatchCoreConfig.from_dict({"bank_sizes": [10, 20], "scored_power": 8})


def test_variants_are_named_by_their_encoder() -> None:
    assert PatchCoreConfig((1, 1)).variant == "lite0"
    assert PatchCoreConfig((1, 1), 28, 28, encoder="dinov2").variant == "small"
    tiny = PatchCoreConfig((1, 1), 28, 28, encoder="dinov2", embed_dim=12)
    assert tiny.variant == "dim12"
