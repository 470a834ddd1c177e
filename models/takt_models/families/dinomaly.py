"""The checkpoints of Dinomalys, all of which others have trained."""

from __future__ import annotations

from takt_models.checkpoints import official
from takt_models.checkpoints.anomalib import dinomaly
from takt_models.checkpoints.anomalib.file import FRAMEWORK
from takt_models.checkpoints.family import FamilyCheckpoints, Format

MAPS = {
    "anomalib": "at the input's size, not blurred; score: mean of the highest 1 % after resizing "
    "to 256 x 256 and blurring",
    "official": "resized to 256 x 256, blurred; score: mean of the highest 1 %",
}
"""By the recipe of the model's settings."""

CHECKPOINTS = FamilyCheckpoints(
    map_text=lambda model: MAPS[model.config.recipe],
    formats=(
        Format(
            "anomalib .ckpt of Dinomaly",
            FRAMEWORK,
            dinomaly.is_dinomaly,
            dinomaly.load_dinomaly,
        ),
        Format(
            "state dict of the official Dinomaly",
            official.FRAMEWORK,
            official.is_dinomaly,
            official.load_dinomaly,
        ),
    ),
)
