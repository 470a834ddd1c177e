from takt_families.grey.detector import Grey, GreyConfig

from takt_models.checkpoints.family import FamilyCheckpoints, OwnCheckpoints

CHECKPOINTS = FamilyCheckpoints(
    map_text=lambda _: "difference of greys",
    own=OwnCheckpoints(GreyConfig.from_dict, Grey),
)
