"""The official INP-Former's `model.pth`: a plain state dict, encoder included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from models.checkpoints.errors import CheckpointError
from models.checkpoints.facts import Centre, Checkpoint, InputRecipe
from models.checkpoints.files.weights import copied
from models.dinov2.foreign import ForeignWeightsError
from models.inpformer.weights import OFFICIAL, from_state

FRAMEWORK = "official"
RECIPE = InputRecipe(448, 448, "pillow_bilinear", Centre(392, 392))


def is_inpformer(content: object) -> bool:
    """Whether content is a state dict with learned tokens for prototypes and their aggregation."""
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        return False
    return "prototype_token" in content or any(n.startswith("aggregation.") for n in content)


def load_inpformer(path: Path, content: Mapping[str, object]) -> Checkpoint:
    """Makes an INP-Former of a state dict; the official code stores no facts.

    Raises:
        CheckpointError: the tensors do not fit.
    """
    try:
        model = from_state(copied(content, path, "save the state dict again"), OFFICIAL)
    except ForeignWeightsError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return Checkpoint(
        model,
        framework=FRAMEWORK,
        recipe=RECIPE,
        assumptions=(
            "sizes of the input are not stored; those of the official scripts are taken: "
            + RECIPE.text(),
        ),
    )
