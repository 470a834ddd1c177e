from families.grey.detector import Grey, GreyConfig

from models.checkpoints.family import FamilyCheckpoints, OwnCheckpoints

CHECKPOINTS = FamilyCheckpoints(
    map_text=lambda _: "difference of greys",
    own=OwnCheckpoints(GreyConfig.from_dict, Grey),
)
