"""Where and in which precision a fit computes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TypeVar

import torch

M = TypeVar("M", bound=torch.nn.Module)


@dataclass(frozen=True)
class Compute:
    """A device, and whether matrix products run in bfloat16 there.

    Attributes:
        device: `cpu`, `cuda`, `cuda:1`, …
        bf16: bfloat16 autocast for forward passes; weights and losses stay float32.
    """

    device: torch.device
    bf16: bool

    @classmethod
    def choose(cls, device: str = "auto", *, bf16: bool | None = None) -> Compute:
        """The GPU if there is one, and bfloat16 where the hardware multiplies it."""
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        chosen = torch.device(device)
        if bf16 is None:
            bf16 = (
                torch.cuda.is_bf16_supported(including_emulation=False)
                if chosen.type == "cuda"
                else bool(torch.cpu.get_capabilities().get("avx512_bf16"))
            )
        return cls(chosen, bf16)

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """The context in which forward passes run."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)


def place(module: M, device: torch.device, layout: torch.memory_format = torch.channels_last) -> M:
    """Move a module, in place; convolutions run fastest in channels-last layout."""
    moved: M = module.to(device, memory_format=layout)  # type: ignore[call-overload]
    return moved


def round_to_fp16(module: torch.nn.Module) -> None:
    """Round every parameter to its nearest float16, in place, kept as float32.

    A fit ends with this, before it takes its statistics, so that the weights can be stored in
    half the bytes with no loss at all.
    """
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.half().float())
