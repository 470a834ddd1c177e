"""The frozen encoders that an INP-Former is fitted on, with their pretrained weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from takt_models.checkpoints.errors import CheckpointError, few
from takt_models.checkpoints.facts import Centre, InputRecipe
from takt_models.checkpoints.files.containers import container_of
from takt_models.checkpoints.files.pickles import read_pickle
from takt_models.checkpoints.files.weights import copied
from takt_models.dinov2.encoder import REGISTERS
from takt_models.dinov2.positions import Grid, official_positions
from takt_models.dinov2.settings import (
    HEAD_CHANNELS,
    LARGE_DEPTH,
    TARGET_BLOCKS,
    TARGET_BLOCKS_OF_LARGE,
)
from takt_models.inpformer.config import LITE0_BLOCKS, InpFormerConfig
from takt_models.inpformer.lite0 import STAGES
from takt_models.input_size import InputSize

LITE0 = "lite0"
TIMM = "timm:"
LITE0_SIDE = 448
LITE0_DIM = 240
LITE0_HEADS = 8
RESIZED = 448
REMEDY = (
    "give dinov2_vits14_reg4_pretrain.pth, or that of vitb14 or vitl14, or timm's weights of "
    "vit_*_patch14_reg4_dinov2"
)


class EncoderError(ValueError):
    """An encoder's weights that are unavailable or unusable; the message says what to do."""


@dataclass(frozen=True)
class Pretrained:
    """An encoder with its weights.

    Attributes:
        name: name for people and for the checkpoint.
        config: settings of the model to be built on it.
        recipe: way from a picture to its input.
        weights: float32 weights by their names in the state of `InpFormer.encoder`.
    """

    name: str
    config: InpFormerConfig
    recipe: InputRecipe
    weights: dict[str, Tensor]


def pretrained(choice: str, size: InputSize | None = None) -> Pretrained:
    """Reads or downloads an encoder.

    Args:
        choice: `lite0`, `timm:` with the name of a model, or the path of a DINOv2's weights.
        size: input of the model, to which the whole picture is resized. By default lite0 sees the
            whole picture at 448 x 448; a DINOv2 sees the centre of 392 x 392 of that.

    Raises:
        BackboneMissingError: the package with Lite0's weights is not installed.
        CheckpointError: the file is damaged, or names code to run.
        EncoderError: the weights cannot be downloaded, or are no DINOv2's with registers.
    """
    if choice == LITE0:
        return _lite0(size or InputSize(LITE0_SIDE, LITE0_SIDE))
    if choice.startswith(TIMM):
        return _dinov2(_from_timm(choice.removeprefix(TIMM)), choice, size)
    path = Path(choice)
    return _dinov2(_read(path), path.name, size)


def _lite0(size: InputSize) -> Pretrained:
    from takt_models.fit.backbone import Lite0Features

    # Rounded before the fit, so that the checkpoint holds them in half the bytes and the served
    # model is the fitted one.
    weights = {
        name: weight.half().float() for name, weight in folded(Lite0Features().network).items()
    }
    config = InpFormerConfig(
        embed_dim=LITE0_DIM,
        encoder_heads=LITE0_HEADS,
        decoder_heads=LITE0_HEADS,
        target_blocks=LITE0_BLOCKS,
        width=size.width,
        height=size.height,
        encoder="lite0",
    )
    return Pretrained(LITE0, config, InputRecipe(size.width, size.height, "area"), weights)


def folded(network: nn.Module) -> dict[str, Tensor]:
    """Weights of timm's EfficientNet-Lite0 by the names of `Lite0Encoder`, norms folded in."""
    modules = dict(network.named_modules())
    weights: dict[str, Tensor] = {}

    def fold(ours: str, conv: str, norm: str) -> None:
        fused = fuse_conv_bn_eval(modules[conv], modules[norm])
        weights.update({f"{ours}.{name}": weight for name, weight in fused.state_dict().items()})

    fold("stem", "conv_stem", "bn1")
    blocks = [f"blocks.{n}.{i}" for n, stage in enumerate(STAGES) for i in range(stage.blocks)]
    for number, block in enumerate(blocks):
        convs = {"depthwise": "conv_dw", "project": "conv_pw"}
        if f"{block}.conv_pwl" in modules:
            convs = {"expand": "conv_pw", "depthwise": "conv_dw", "project": "conv_pwl"}
        for norm, (ours, conv) in enumerate(convs.items(), start=1):
            fold(f"blocks.{number}.{ours}", f"{block}.{conv}", f"{block}.bn{norm}")
    return weights


def _from_timm(name: str) -> Mapping[str, object]:
    import timm

    try:
        return timm.create_model(name, pretrained=True, num_classes=0).state_dict()
    except Exception as error:  # timm and its hub raise errors of any class.
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise EncoderError(
            f"timm gives no weights of {name} ({reason}): check the name (such as "
            "vit_small_patch14_reg4_dinov2.lvd142m) and the network, or download the file where "
            "there is one and give its path"
        ) from error


def _read(path: Path) -> Mapping[str, object]:
    if container_of(path) == "safetensors":
        try:
            return dict(load_file(path))
        except SafetensorError as error:
            raise CheckpointError(f"{path} is truncated or damaged: copy it again") from error
    content = read_pickle(path)
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        raise EncoderError(f"{path} holds no state dict: {REMEDY}")
    return content


def _dinov2(content: Mapping[str, object], name: str, size: InputSize | None) -> Pretrained:
    """Makes an encoder of a DINOv2 with registers, by the names of its own code or of timm."""
    of_timm = "reg_token" in content
    registers = "reg_token" if of_timm else "register_tokens"
    needed = {"cls_token", "pos_embed", registers, "patch_embed.proj.weight"}
    if missing := needed - content.keys():
        raise EncoderError(
            f"{name} is no DINOv2 with registers (missing: {few(missing)}): {REMEDY}"
        )
    state = copied(content, Path(name), REMEDY)
    depth = 1 + max(
        (int(match[1]) for key in state if (match := re.match(r"blocks\.(\d{1,3})\.", key))),
        default=-1,
    )
    dim = state["cls_token"].shape[-1]
    if dim % HEAD_CHANNELS or state[registers].shape != (1, REGISTERS, dim):
        raise EncoderError(
            f"{name} has {dim} channels and registers of shape {list(state[registers].shape)}; "
            f"channels must be a multiple of {HEAD_CHANNELS} and registers {REGISTERS}: {REMEDY}"
        )
    blocks = TARGET_BLOCKS_OF_LARGE if depth == LARGE_DEPTH else TARGET_BLOCKS
    if depth <= blocks[-1]:
        raise EncoderError(f"{name} has {depth} blocks, fewer than {blocks[-1] + 1}: {REMEDY}")
    heads = dim // HEAD_CHANNELS
    sides = size or InputSize(InpFormerConfig.width, InpFormerConfig.height)
    config = InpFormerConfig(
        embed_dim=dim,
        encoder_heads=heads,
        decoder_heads=heads,
        target_blocks=blocks,
        width=sides.width,
        height=sides.height,
    )
    recipe = InputRecipe(config.width, config.height, "pillow_bilinear")
    if size is None:
        centre = Centre(config.width, config.height)
        recipe = InputRecipe(RESIZED, RESIZED, "pillow_bilinear", centre)
    return Pretrained(
        f"dinov2 ({name})",
        config,
        recipe,
        _renamed(state, registers, blocks[-1], config.grid, prefix=0 if of_timm else 1),
    )


def _renamed(
    state: Mapping[str, Tensor], registers: str, last: int, grid: Grid, prefix: int
) -> dict[str, Tensor]:
    """The used tensors by our names; the class token includes its position."""
    weights = {
        "registers": state[registers],
        "cls_token": state["cls_token"] + state["pos_embed"][:, :prefix].sum(1, keepdim=True),
        "pos_embed": official_positions(state["pos_embed"][:, prefix:], grid),
    }
    for key, value in state.items():
        block = re.match(r"blocks\.(\d{1,3})\.", key)
        if block and int(block[1]) <= last:
            weights[key] = value
        elif key.startswith("patch_embed.proj."):
            weights[key.replace(".proj", "")] = value
    return weights


@torch.no_grad()
def load_into(encoder: nn.Module, chosen: Pretrained) -> None:
    """Gives an encoder its weights, and freezes it.

    Raises:
        EncoderError: the weights do not fit.
    """
    wanted = encoder.state_dict()
    # The statistics of the tokens are measured later.
    measured = {name for name in ("mean", "std") if name in wanted}
    shapes = {name: tensor.shape for name, tensor in wanted.items() if name not in measured}
    found = {name: tensor.shape for name, tensor in chosen.weights.items()}
    if shapes != found:
        wrong = {name for name in shapes | found if shapes.get(name) != found.get(name)}
        raise EncoderError(f"{chosen.name} does not fit its model in {few(wrong)}: {REMEDY}")
    encoder.load_state_dict(chosen.weights, strict=False)
    encoder.eval().requires_grad_(False)
