"""The checkpoints of INP-Formers."""

from __future__ import annotations

from takt_models.checkpoints import official
from takt_models.checkpoints.anomalib import inpformer
from takt_models.checkpoints.anomalib.file import FRAMEWORK
from takt_models.checkpoints.family import FamilyCheckpoints, Format, OwnCheckpoints
from takt_models.inpformer.config import InpFormerConfig
from takt_models.inpformer.detector import InpFormer

MAPS = {
    "anomalib": "at the input's size, blurred; score: mean of the highest 1 %",
    "official": "resized to 256 x 256, blurred; score: mean of the highest 1 %",
}
"""By the recipe of the model's settings."""

CHECKPOINTS = FamilyCheckpoints(
    map_text=lambda model: MAPS[model.config.recipe],
    own=OwnCheckpoints(InpFormerConfig.from_dict, InpFormer),
    formats=(
        Format(
            "anomalib .ckpt of InpFormer",
            FRAMEWORK,
            inpformer.is_inpformer,
            inpformer.load_inpformer,
        ),
        Format(
            "state dict of the official INP-Former",
            official.FRAMEWORK,
            official.is_inpformer,
            official.load_inpformer,
        ),
    ),
)
