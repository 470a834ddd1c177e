"""The `model.pth` of INP-Former's and Dinomaly's own code: a plain state dict, encoder included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import Centre, Checkpoint, InputRecipe
from takt_models.checkpoints.files.weights import copied
from takt_models.detector import Detector
from takt_models.dinomaly import weights as dinomaly
from takt_models.dinov2.foreign import ForeignWeightsError
from takt_models.inpformer import weights as inpformer

FRAMEWORK = "official"
RECIPE = InputRecipe(448, 448, "pillow_bilinear", Centre(392, 392), "pillow")


def is_inpformer(content: object) -> bool:
    """Whether content is a state dict with learned tokens for prototypes and their aggregation."""
    names = _names(content)
    return "prototype_token" in names or any(name.startswith("aggregation.") for name in names)


def is_dinomaly(content: object) -> bool:
    """Whether content is a state dict with a bottleneck and a decoder of linear attention."""
    return {"bottleneck.0.fc1.weight", "decoder.0.attn.qkv.weight"} <= _names(content)


def load_inpformer(path: Path, content: Mapping[str, object]) -> Checkpoint:
    """Makes an INP-Former of a state dict; the official code stores no facts.

    Raises:
        CheckpointError: the tensors do not fit.
    """
    return _loaded(path, content, lambda state: inpformer.from_state(state, inpformer.OFFICIAL))


def load_dinomaly(path: Path, content: Mapping[str, object]) -> Checkpoint:
    """Makes a Dinomaly of a state dict; the official code stores no facts.

    Raises:
        CheckpointError: the tensors do not fit.
    """
    return _loaded(path, content, lambda state: dinomaly.from_state(state, dinomaly.OFFICIAL))


def _loaded(
    path: Path, content: Mapping[str, object], make: Callable[[dict[str, Tensor]], Detector]
) -> Checkpoint:
    try:
        model = make(copied(content, path, "save the state dict again"))
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


def _names(content: object) -> set[str]:
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        return set()
    return set(content)
