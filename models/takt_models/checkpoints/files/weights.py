"""Loading of foreign tensors, which must all be there, of the right shape and finite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeGuard

import torch
from torch import Tensor, nn

from takt_models.checkpoints.errors import CheckpointError, few

MAX_NUMBERS = 2**30
"""Largest state dict; the largest INP-Former has less than half of these numbers."""

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def fill(
    module: nn.Module,
    state: Mapping[str, object],
    theirs: Mapping[str, str],
    path: Path,
    remedy: str,
) -> None:
    """Checks a file's tensors, then loads them into a module.

    Args:
        module: module, whose tensors outside `theirs` keep their values.
        state: content of the file by its names.
        theirs: the file's name of each of the module's tensors.
        path: path of the file, for messages.
        remedy: remedy for a file that does not fit, for messages.

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
    """Copies all tensors of a state dict to float32.

    Raises:
        CheckpointError: a value is no finite tensor of floating-point numbers, or there are more
            numbers than any model has.
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
    """The value, which must be an ordinary tensor of floating-point numbers.

    Raises:
        CheckpointError: the value is something else.
    """
    if not _is_plain(value):
        raise CheckpointError(f"{path}: {name} is no tensor of floating-point numbers: {remedy}")
    return value


def scalar(value: object) -> float | None:
    """The number in a tensor of one number; None for other values.

    >>> scalar(torch.tensor([0.5])), scalar("0.5")
    (0.5, None)
    """
    return float(value) if _is_plain(value) and value.numel() == 1 else None


def finite(tensor: Tensor, name: str, path: Path, remedy: str) -> Tensor:
    """A copy in float32 that no longer depends on the file.

    Raises:
        CheckpointError: the tensor holds NaN or infinity.
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
