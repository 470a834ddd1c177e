"""The frozen encoders that a PatchCore is built on, with their pretrained weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from takt_models.checkpoints.errors import few
from takt_models.checkpoints.facts import InputRecipe
from takt_models.fit.inpformer.encoders import LITE0, EncoderError, pretrained
from takt_models.input_size import InputSize
from takt_models.patchcore.config import USUAL_SIDES, PatchCoreConfig


@dataclass(frozen=True)
class PatchCoreEncoder:
    """An encoder with its weights.

    Attributes:
        name: name for people and for the checkpoint.
        config: settings of the model to be built on it, but for the sizes of its banks.
        recipe: way from a picture to its input.
        weights: float32 weights by their names in the state of `PatchCore.encoder`.
    """

    name: str
    config: PatchCoreConfig
    recipe: InputRecipe
    weights: dict[str, Tensor]


def encoder_of(
    choice: str, width: int | None = None, height: int | None = None
) -> PatchCoreEncoder:
    """Reads or downloads an encoder, for an input of a size in pixels.

    Args:
        choice: `lite0`, `timm:` with the name of a model, or the path of a DINOv2's weights.
        width: columns of the input; those that suit the encoder if None.
        height: rows of the input; those that suit the encoder if None.

    Raises:
        BackboneMissingError: the package with Lite0's weights is not installed.
        CheckpointError: the file is damaged, or names code to run.
        EncoderError: the weights cannot be downloaded, or are no DINOv2's with registers.
        ValueError: the encoder takes no input of this size.
    """
    if choice != LITE0:
        return _dinov2(choice, width, height)
    found = pretrained(choice)
    usual = PatchCoreConfig(bank_sizes=(1, 1))
    config = replace(usual, width=width or usual.width, height=height or usual.height)
    recipe = InputRecipe(config.width, config.height, "area")
    return PatchCoreEncoder(found.name, config, recipe, found.weights)


def _dinov2(choice: str, width: int | None, height: int | None) -> PatchCoreEncoder:
    """As AnomalyDINO: tokens alone, of the deepest block that an INP-Former reads.

    The whole picture is resized to the input.
    """
    found = pretrained(
        choice, InputSize(width or USUAL_SIDES["dinov2"], height or USUAL_SIDES["dinov2"])
    )
    config = PatchCoreConfig(
        bank_sizes=(1,),
        width=found.config.width,
        height=found.config.height,
        encoder="dinov2",
        layers=found.config.target_blocks[-1:],
        embed_dim=found.config.embed_dim,
        encoder_heads=found.config.encoder_heads,
    )
    recipe = InputRecipe(config.width, config.height, found.recipe.resize)
    weights = {f"tokens.{name}": weight for name, weight in found.weights.items()}
    return PatchCoreEncoder(found.name, config, recipe, weights)


@torch.no_grad()
def load_into(encoder: nn.Module, chosen: PatchCoreEncoder) -> None:
    """Gives an encoder its weights, and freezes it; weights of blocks that it lacks are left out.

    Raises:
        EncoderError: the weights do not fit.
    """
    shapes = {name: tensor.shape for name, tensor in encoder.state_dict().items()}
    found = {name: chosen.weights[name].shape for name in shapes if name in chosen.weights}
    if shapes != found:
        wrong = {name for name in shapes if shapes[name] != found.get(name)}
        raise EncoderError(f"{chosen.name} does not fit its model in {few(wrong)}")
    encoder.load_state_dict({name: chosen.weights[name] for name in shapes})
    encoder.eval().requires_grad_(False)
