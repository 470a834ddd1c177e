"""The checkpoints of EfficientADs."""

from __future__ import annotations

from pathlib import Path

from takt_models.checkpoints.anomalib import efficientad
from takt_models.checkpoints.anomalib.file import FRAMEWORK
from takt_models.checkpoints.family import FamilyCheckpoints, Format, OwnCheckpoints
from takt_models.checkpoints.statistics_check import check_statistics
from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import EfficientAd

MAPS = {
    "anomalib": "padded, resized to the input, then scaled; score: its maximum",
    "nelson1425": "scaled, padded, then resized to the picture; score: its maximum there",
}
"""By the recipe of the model's settings."""


def _check(model: EfficientAd, path: Path) -> None:
    check_statistics(model, path, "its fit was not finished, finish it")


CHECKPOINTS = FamilyCheckpoints(
    map_text=lambda model: MAPS[model.config.recipe],
    own=OwnCheckpoints(EfficientAdConfig.from_dict, EfficientAd, _check, parts=("teacher",)),
    formats=(
        Format(
            "anomalib .ckpt of EfficientAd",
            FRAMEWORK,
            efficientad.is_efficientad,
            efficientad.load_efficientad,
        ),
    ),
    is_scaled=True,
)
