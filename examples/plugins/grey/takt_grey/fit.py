"""How the detector is fitted on pictures of good parts."""

import torch

from takt_export.learning.family import FamilyLearning, FitRequest, reader
from takt_export.learning.stages import Stages
from takt_grey.detector import Grey, GreyConfig
from takt_models.checkpoints.facts import InputRecipe
from takt_models.checkpoints.own import save_checkpoint


def fit(request: FitRequest, stages: Stages) -> None:
    """Half of the pictures say what is usual; the others are left for the thresholds."""
    seen = tuple(request.pictures.paths[::2])
    model = Grey(GreyConfig())
    load = stages.counted(reader(InputRecipe(64, 64, "area")), len(seen))
    pictures = torch.stack([torch.from_numpy(load(path)) for path in seen])
    model.usual = model.greys(pictures.permute(0, 3, 1, 2) / 255).mean(0).half().float()
    save_checkpoint(request.out, model.eval(), request.facts(model.config, seen, len(seen)))


LEARNING = FamilyLearning(fit)
