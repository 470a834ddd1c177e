"""The checkpoints of PatchCores."""

from __future__ import annotations

from takt_models.checkpoints.anomalib import patchcore
from takt_models.checkpoints.anomalib.file import FRAMEWORK
from takt_models.checkpoints.family import FamilyCheckpoints, Format, OwnCheckpoints
from takt_models.patchcore.anomalib.detector import JointPatchCore
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore

MAP = (
    "distance of each cell to the nearest of {} vectors, in deviations of what is usual there, "
    "mean of the layers; score: mean of the map's 16 highest cells"
)
OF_LOCATOR = "; cells that show what a moved part brings in from beyond the border are at most 0"
OF_HEAD = "; both the higher of this and of a head of {} judged directions"
MAP_OF_JOINT = (
    "distance of each patch to the nearest of {} vectors, at the input's size, blurred; score: the "
    "greatest distance, weighed by the {} vectors around the nearest"
)


def _map_text(model: PatchCore | JointPatchCore) -> str:
    if isinstance(model, JointPatchCore):
        return MAP_OF_JOINT.format(model.config.bank_size, model.config.neighbors)
    text = MAP.format(" and ".join(map(str, model.config.bank_sizes)))
    text += OF_LOCATOR if model.config.locates else ""
    return text + OF_HEAD.format(model.config.directions) if model.config.directions else text


CHECKPOINTS = FamilyCheckpoints(
    map_text=_map_text,
    own=OwnCheckpoints(PatchCoreConfig.from_dict, PatchCore),
    formats=(
        Format(
            "anomalib .ckpt of Patchcore",
            FRAMEWORK,
            patchcore.is_patchcore,
            patchcore.load_patchcore,
        ),
    ),
)
