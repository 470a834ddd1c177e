"""The device and the precision of a fit."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TypeVar

import torch

from takt_models.detector import Detector

M = TypeVar("M", bound=torch.nn.Module)


@dataclass(frozen=True)
class Compute:
    """A device, and whether matrix products run in bfloat16 there.

    Attributes:
        device: `cpu`, `cuda`, `cuda:1`, …
        bf16: whether forward passes run in bfloat16; weights and losses stay float32.

    >>> Compute.choose("cpu", bf16=False)
    Compute(device=device(type='cpu'), bf16=False)
    """

    device: torch.device
    bf16: bool

    @classmethod
    def choose(cls, device: str = "auto", *, bf16: bool | None = None) -> Compute:
        """Chooses the GPU if there is one, and bfloat16 where the hardware multiplies it."""
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


TIMED_RUNS = 3


@torch.no_grad()
def time_of_a_picture_ms(model: Detector, compute: Compute) -> float:
    """The shortest of three times in which a model answers one picture, in milliseconds."""
    place(model.eval(), compute.device)
    image = torch.zeros(1, 3, *model.input_size, device=compute.device)
    times_ms = []
    with compute.autocast():
        for _ in range(1 + TIMED_RUNS):
            start_s = time.perf_counter()
            # Reading the score waits for a GPU.
            model(image)[1].tolist()
            times_ms.append(1000 * (time.perf_counter() - start_s))
    # The first run claims memory and chooses kernels.
    return min(times_ms[1:])


def place(module: M, device: torch.device, layout: torch.memory_format = torch.channels_last) -> M:
    """Moves a module, in place; convolutions run fastest in channels-last layout."""
    moved: M = module.to(device, memory_format=layout)  # type: ignore[call-overload]
    return moved


def round_to_fp16(module: torch.nn.Module) -> None:
    """Rounds every parameter to the nearest float16, in place; the parameters stay float32.

    A fit does so before it takes the last statistics, so that a checkpoint stores the weights in
    half the bytes without any loss.
    """
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.half().float())
