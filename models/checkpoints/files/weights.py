"""Foreign tensors into a model of ours: all of them, of the right shape, and finite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeGuard

import torch
from torch import Tensor, nn

from models.checkpoints.errors import CheckpointError, few

MAX_NUMBERS = 2**30
"""In a state dict; the largest INP-Former has less than half of it."""

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def fill(
    module: nn.Module,
    state: Mapping[str, object],
    theirs: Mapping[str, str],
    path: Path,
    remedy: str,
) -> None:
    """Load a file's tensors into a module, checking all of them first.

    Args:
        module: what is not in `theirs` keeps its value.
        state: what the file holds, by its names.
        theirs: the file's name of each of the module's tensors.
        path: of the file, for messages.
        remedy: what to do about a file that does not fit, for messages.

    Raises:
        CheckpointError: tensors are missing, superfluous, of another shape or not finite.
    """
    missing, superfluous = set(theirs.values()) - state.keys(), state.keys() - theirs.values()
    if missing or superfluous:
        raise CheckpointError(
            f"{path} does not fit the model it says it is (missing: {few(missing)}; "
            f"unexpected: {few(superfluous)}): {remedy}"
        )
    own = module.state_dict()
    weights = {}
    for ours, name in theirs.items():
        tensor, shape = dense(state[name], name, path, remedy), own[ours].shape
        if tensor.shape != shape:
            raise CheckpointError(
                f"{path}: {name} has the shape {list(tensor.shape)} instead of {list(shape)}: "
                f"{remedy}"
            )
        weights[ours] = finite(tensor, name, path, remedy)
    module.load_state_dict(weights, strict=False)


def copied(state: Mapping[str, object], path: Path, remedy: str) -> dict[str, Tensor]:
    """Copies in float32 of all tensors of a state dict.

    Raises:
        CheckpointError: one is no finite tensor of floating-point numbers, or they are more than
            any model has.
    """
    tensors = {name: dense(value, name, path, remedy) for name, value in state.items()}
    # A few bytes on disk can stand for a tensor of any size.
    if sum(tensor.numel() for tensor in tensors.values()) > MAX_NUMBERS:
        raise CheckpointError(
            f"{path} holds tensors of more than {MAX_NUMBERS / 1e9:.1f} thousand million numbers, "
            f"which no model of this kind has: {remedy}"
        )
    return {name: finite(tensor, name, path, remedy) for name, tensor in tensors.items()}


def dense(value: object, name: str, path: Path, remedy: str) -> Tensor:
    """The value as it is, which must be an ordinary tensor of floating-point numbers.

    Raises:
        CheckpointError: it is something else.
    """
    if not _is_plain(value):
        raise CheckpointError(f"{path}: {name} is no tensor of floating-point numbers: {remedy}")
    return value


def scalar(value: object) -> float | None:
    """The one number in a tensor, None if it is nothing of that kind."""
    return float(value) if _is_plain(value) and value.numel() == 1 else None


def finite(tensor: Tensor, name: str, path: Path, remedy: str) -> Tensor:
    """A copy in float32, which owes nothing to the file any more.

    Raises:
        CheckpointError: it holds NaN or infinity.
    """
    copy = tensor.detach().to(torch.float32, copy=True)
    if not bool(copy.isfinite().all()):
        raise CheckpointError(
            f"{path}: {name} holds numbers that are not finite, so the model can answer nothing: "
            f"{remedy}"
        )
    return copy


def _is_plain(value: object) -> TypeGuard[Tensor]:
    return (
        isinstance(value, Tensor)
        and value.dtype in FLOATS
        and value.layout == torch.strided
        and not value.is_nested
        and value.device.type == "cpu"
    )
