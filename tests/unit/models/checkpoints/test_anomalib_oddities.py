"""Checkpoints of anomalib with content that it never wrote."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from takt_models.checkpoints.description import describe
from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.formats import load_checkpoint

Content = dict[str, Any]
Make = Callable[..., Content]
Save = Callable[[Content], Path]


def test_pictures_prepared_otherwise_are_refused_by_name(anomalib_2_7: Make, save: Save) -> None:
    path = save(anomalib_2_7(("Resize", {"size": [256, 256], "antialias": False})))
    with pytest.raises(CheckpointError, match=r"does not reproduce .Resize has antialias False"):
        load_checkpoint(path)


def test_another_model_of_anomalib_is_named_by_its_parts(tmp_path: Path) -> None:
    content = {
        "pytorch-lightning_version": "2.6.6",
        "state_dict": {
            "model.memory_bank": torch.zeros(2, 3),
            "model.feature_extractor.conv1.weight": torch.zeros(1),
            "post_processor.image_min": torch.zeros(()),
        },
    }
    torch.save(content, tmp_path / "patchcore.ckpt")
    with pytest.raises(
        CheckpointError,
        match=r"Lightning checkpoint of another model .with model.feature_extractor, model.memory_",
    ):
        load_checkpoint(tmp_path / "patchcore.ckpt")


def test_a_pickled_module_of_anomalib_is_refused_for_its_checkpoint(
    save: Save, foreign: Any
) -> None:
    whole = foreign.make("anomalib.models.image.efficient_ad.lightning_model.EfficientAd", x=1)
    with pytest.raises(CheckpointError, match=r"holds a whole pickled model .anomalib.*ckpt of"):
        load_checkpoint(save({"model": whole}))


ODD = [None, True, -1, 0.5, "text", [], {}, (), [[["x"]]], torch.zeros(0), torch.zeros(2, 2)]


def leaves(content: Any, depth: int = 5) -> Iterator[tuple[Any, object]]:
    """Every place in nested dictionaries and lists."""
    if depth and isinstance(content, (dict, list)):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            if not str(key).startswith("model.") or key.endswith("conv1.bias"):
                yield content, key
                yield from leaves(value, depth - 1)


def test_any_odd_content_is_described_and_never_raised(anomalib_2_7: Make, save: Save) -> None:
    whole = anomalib_2_7()
    rng = np.random.default_rng(0)
    places = len(list(leaves(whole)))
    for place in range(places):
        content = copy.deepcopy(whole)
        owner, key = list(leaves(content))[place]
        owner[key] = ODD[rng.integers(len(ODD))]
        assert describe(save(content)).files
