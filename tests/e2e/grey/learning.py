import torch
from families.grey.detector import Grey, GreyConfig

from export.learning.family import FamilyLearning, FitRequest, reader
from export.learning.stages import Stages
from models.checkpoints.facts import InputRecipe
from models.checkpoints.own import save_checkpoint


def fit(request: FitRequest, stages: Stages) -> None:
    """Half of the pictures say what is usual; the others are left for the thresholds."""
    seen = tuple(request.pictures.paths[::2])
    model = Grey(GreyConfig())
    load = stages.counted(reader(InputRecipe(64, 64, "area")), len(seen))
    pictures = torch.stack([torch.from_numpy(load(path)) for path in seen])
    model.usual = model.greys(pictures.permute(0, 3, 1, 2) / 255).mean(0).half().float()
    save_checkpoint(request.out, model.eval(), request.facts(model.config, seen, len(seen)))


LEARNING = FamilyLearning(fit)
