"""The teacher: a PDN that imitates EfficientNet-Lite0's features, distilled on any pictures.

The paper distils from a WideResNet-101 on ImageNet. Here the weights of the backbone come with a
package, and each picture is cropped, flipped, turned and greyed anew, so that a thousand pictures
suffice. Made-up surfaces are mixed in, because photographs of things show few surfaces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from takt_models.efficientad.config import TEACHER_CHANNELS
from takt_models.efficientad.detector import PDN
from takt_models.fit.device import Compute, place, round_to_fp16
from takt_models.fit.errors import TeacherError
from takt_models.fit.optim.descent import descend
from takt_models.fit.optim.muon import Muon, others_than, suits_muon
from takt_models.fit.optim.winograd import plain, winograd
from takt_models.fit.pictures import Load
from takt_models.fit.progress import CurvePoint, Progress
from takt_models.fit.resume import Resume, digest_of_names, digest_of_weights
from takt_models.fit.teacher.examples import FEATURES, Examples, batch, turn
from takt_models.fit.teacher.options import TeacherOptions


@dataclass(frozen=True)
class FittedTeacher:
    """A teacher, its curve, and how much of the backbone's variance it explains.

    Attributes:
        network: PDN of the backbone's 152 channels if small, of 384 if medium; its weights are
            exact in float16.
        curve: loss and explained variance at each save.
        explained_variance: share of the variance explained on held-out pictures.
        explained_variance_of: the same share by stride, and on made-up surfaces.
    """

    network: PDN
    curve: list[CurvePoint]
    explained_variance: float
    explained_variance_of: dict[str, float]


def fit_teacher(
    pictures: Sequence[Path],
    load: Load,
    output: Path,
    options: TeacherOptions,
    compute: Compute,
    *,
    start: PDN | None = None,
    quiet: bool = False,
) -> FittedTeacher:
    """Distils a PDN; an interrupted call with the same arguments goes on where it stopped.

    Args:
        pictures: any pictures, the more varied the better.
        load: reads a picture as RGB uint8 [H,W,3].
        output: file that the caller will write; the state is kept beside it.
        options: length, size and the other options of the distillation.
        compute: device and precision.
        start: teacher of the same kind to go on from, instead of random weights.
        quiet: whether the progress bar is left out.

    Raises:
        TeacherError: `start` is of another size or has other channels.
        ResumeMismatchError: an interrupted fit at `output` had other options.
    """
    torch.manual_seed(options.seed)
    network = place(_untrained(options, start), compute.device)
    if compute.device.type == "cpu" and not compute.bf16:
        winograd(network)
    muon = Muon(suits_muon(network.children()), options.learning_rate)
    adam = torch.optim.AdamW(
        others_than(muon, network.parameters()), lr=options.learning_rate, fused=True
    )
    smoothed = _SmoothedLoss()
    resume = Resume(
        output,
        {
            **asdict(options),
            "pictures": digest_of_names(pictures),
            "start": digest_of_weights([] if start is None else start.parameters()),
        },
        {"network": network, "muon": muon, "adam": adam, "loss": smoothed},
    )
    done, curve = resume.load()

    source = Examples(pictures, load, options, compute)
    pool = source.pool_before(done)
    more_channels = turn().to(compute.device)

    def turned(targets: Tensor) -> Tensor:
        if options.variant == "small":
            return targets
        return torch.einsum("oc,nchw->nohw", more_channels, targets)

    progress = Progress("teacher", options, done=done, quiet=quiet)
    with resume.on_interrupt():
        for step in progress:
            pool.append(source.example(options.batch_size + step))
            images, targets = batch(pool, options, step, compute)
            with compute.autocast():
                features = network(images)
            loss = F.mse_loss(features.float(), turned(targets)) * (features.shape[1] / FEATURES)
            descend(loss, (muon, adam), options.learning_rate * _cosine(step, options.steps))
            smoothed.add(loss.item())
            if step % 20 == 0:
                progress.show(loss=smoothed.value)
            saves = (step + 1) % options.save_every == 0 or step + 1 == options.steps
            if saves:
                held_out = source.explained_variance(network)
                figures = {"held_out_r2": held_out["all"], "textures_r2": held_out["textures"]}
                curve.append(CurvePoint(step + 1, {"loss": smoothed.value, **figures}))
            resume.step_done(step + 1, curve, keep=saves)

    round_to_fp16(network)
    explained = source.explained_variance(network)
    network = place(plain(network), torch.device("cpu"), torch.contiguous_format)
    return FittedTeacher(network, curve, explained.pop("all"), explained)


class _SmoothedLoss:
    """The exponential moving average of the loss."""

    def __init__(self) -> None:
        self.value = math.nan

    def add(self, loss: float) -> None:
        self.value = loss if math.isnan(self.value) else 0.99 * self.value + 0.01 * loss

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        self.value = state_dict["value"]


def _cosine(step: int, steps: int) -> float:
    """Share of the learning rate at `step` (from 0): it rises in the first steps, then falls."""
    warm_up = min(200, steps // 10 + 1)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def _untrained(options: TeacherOptions, start: PDN | None) -> PDN:
    # The last but one convolution of PDN-M has as many channels as its last, and needs them all.
    channels = FEATURES if options.variant == "small" else TEACHER_CHANNELS
    network = PDN(options.variant, channels)
    if start is not None:
        try:
            network.load_state_dict(start.state_dict())
        except RuntimeError:
            raise TeacherError(
                f"the teacher to start from is no PDN of size {options.variant} with {channels} "
                "channels: give one that `takt fit teacher` distilled with the same --size"
            ) from None
    return network
