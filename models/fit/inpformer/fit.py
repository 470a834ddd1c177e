"""The fit of an INP-Former on good pictures (Luo et al., arXiv 2503.02424).

Losses, optimiser, schedule and initial weights are the paper's. The encoder is frozen and nothing
is augmented, so what it says of a picture is computed once and kept. In a step the decoder may be
asked for a sample of a picture's tokens only: each token is rebuilt from the INPs alone, so a
sample estimates the same loss, and a CPU takes as many more steps.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.fit.device import Compute, place, round_to_fp16
from models.fit.errors import FitError
from models.fit.inpformer.encoders import Pretrained, load_into
from models.fit.inpformer.losses import LOSSES, step_losses
from models.fit.inpformer.tokens import EncodedPictures, set_token_statistics
from models.fit.optim.schedule import Schedule
from models.fit.optim.stable_adamw import StableAdamW
from models.fit.pictures import Load
from models.fit.progress import CurvePoint, Progress, Resume, Stateful
from models.inpformer import InpFormer
from models.inpformer.lite0 import Lite0Encoder

WARM_UP = 100
FINAL_SHARE = 0.1
INITIAL_STD = 0.01


@dataclass(frozen=True)
class InpFormerOptions:
    """How an INP-Former is fitted.

    Attributes:
        steps: optimiser steps; None for as many as `minutes` allow. The paper's 200 epochs are
            200 · pictures / 16 of them.
        minutes: that a fit takes where no steps are given.
        batch_size: pictures in a step.
        tokens: of each picture, that the decoder rebuilds in a step; 0 takes all, as the paper.
        learning_rate: of StableAdamW after the first steps; a cosine takes it to a tenth.
        weight_decay: of StableAdamW.
        clip: largest norm of the whole gradient.
        seed: of split, order, samples and initial weights.
        calibration: share of the good pictures that the fit never sees, for the thresholds.
        shots: fit on that many pictures of each part, in 22 views each, and leave the rest to
            the thresholds; None fits on all but the share `calibration`.
        save_every: steps between states from which the fit can go on.
    """

    steps: int | None = None
    minutes: float = 20.0
    batch_size: int = 4
    tokens: int = 196
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    clip: float = 0.1
    seed: int = 0
    calibration: float = 0.25
    shots: int | None = None
    save_every: int = 100

    def __post_init__(self) -> None:
        counts = (self.batch_size, self.save_every, *([] if self.steps is None else [self.steps]))
        if min(counts) < 1 or self.tokens < 0:
            raise FitError("steps, batch_size and save_every must be at least 1, tokens at least 0")
        if not self.minutes > 0:
            raise FitError(f"minutes is {self.minutes}; it must be above 0")
        if self.shots is not None and self.shots < 1:
            raise FitError(f"shots is {self.shots}; it must be at least 1")


@dataclass(frozen=True)
class FittedInpFormer:
    """What a fit gives.

    Attributes:
        model: in eval mode on the CPU, float32; what was trained is exact in float16.
        curve: the losses, averaged between saves.
        steps: that were taken.
        steps_per_s: of the part that ran now, once the pictures were encoded.
        seen: the good pictures that the fit looked at.
        calibration: the good pictures that it did not.
    """

    model: InpFormer
    curve: list[CurvePoint]
    steps: int
    steps_per_s: float
    seen: tuple[Path, ...]
    calibration: tuple[Path, ...]


def fit_inpformer(
    good: Sequence[Sequence[Path]],
    load: Load,
    encoder: Pretrained,
    output: Path,
    options: InpFormerOptions,
    compute: Compute,
    *,
    quiet: bool = False,
) -> FittedInpFormer:
    """Fit extractor, bottleneck and decoder; an interrupted call with the same arguments goes on.

    Args:
        good: pictures of good parts, one sequence for each kind of part. All of them are shuffled
            together, as in the paper's multi-class training.
        load: reads a good picture as RGB uint8 [S,S,3] of the encoder's input size, exactly as
            the service will.
        encoder: frozen; shapes the model.
        output: the file that will be written by the caller; the state is kept beside it.
        options: see there.
        compute: device and precision.
        quiet: show no progress bar.

    Raises:
        FitError: too few pictures, or a loss that is not finite.
        FlatTokensError: the pictures never vary.
        ResumeMismatchError: an interrupted fit at `output` had other options.
    """
    schedule = Schedule(options.steps, options.minutes, free_share=1.0)
    split = split_good(good, options)
    torch.manual_seed(options.seed)
    model = InpFormer(encoder.config)
    load_into(model.encoder, encoder)
    trained = trained_parts(model)
    start(trained)
    place(model, compute.device, torch.contiguous_format)
    optimizer = StableAdamW(
        trained.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    parts: dict[str, Stateful] = {
        "trained": trained,
        "optimizer": optimizer,
        "schedule": schedule,
    }
    resume = Resume(
        output,
        {**asdict(options), **_fingerprint(split.fitted, encoder)},
        # The light one has statistics, which are measured once.
        parts | ({"encoder": model.encoder} if isinstance(model.encoder, Lite0Encoder) else {}),
    )
    done, curve = resume.load()
    pictures = EncodedPictures(
        split.fitted, load, model, compute, augmented=options.shots is not None
    )
    if done == 0:
        set_token_statistics(model, pictures)
    # Not on the way: the first steps are to tell how long a step takes.
    pictures.fill()

    sums = torch.zeros(len(LOSSES), device=compute.device)
    progress = Progress("inpformer", schedule, done=done, quiet=quiet)
    for step in progress:
        encoded = pictures.batch(batch_at(step, len(pictures), options))
        losses = step_losses(model, encoded, sample_at(step, model, options), compute)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses.sum())
        nn.utils.clip_grad_norm_(trained.parameters(), options.clip)
        optimizer.param_groups[0]["lr"] = learning_rate(step, schedule.steps, options)
        optimizer.step()
        sums += losses.detach()
        schedule.tick(step + 1)
        if step % 20 == 0:
            progress.show(loss=losses.sum().item())
        if (step + 1) % options.save_every == 0 or step + 1 == schedule.steps:
            since = step + 1 - (curve[-1].step if curve else 0)
            curve.append(_point(step + 1, sums / since))
            sums.zero_()
            resume.save(step + 1, curve)

    round_to_fp16(trained)
    place(model, torch.device("cpu"), torch.contiguous_format)
    return FittedInpFormer(
        model.eval().requires_grad_(False),
        curve,
        schedule.steps,
        progress.steps_per_s,
        split.fitted,
        split.calibration,
    )


def trained_parts(model: InpFormer) -> nn.ModuleDict:
    """What a fit trains: all but the encoder."""
    return nn.ModuleDict(
        {"extractor": model.extractor, "bottleneck": model.bottleneck, "decoder": model.decoder}
    )


def start(trained: nn.Module) -> None:
    """Initial weights: normal of deviation 0.01, cut at three of them; biases 0, norms 1."""
    for module in trained.modules():
        if isinstance(module, nn.Linear):
            limit = 3 * INITIAL_STD
            nn.init.trunc_normal_(module.weight, std=INITIAL_STD, a=-limit, b=limit)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def learning_rate(step: int, steps: int, options: InpFormerOptions) -> float:
    """At `step` (from 0) of `steps`: up in 100 steps, at most a tenth of all; then a cosine."""
    warm_up = min(WARM_UP, steps // 10)
    if step < warm_up:
        return options.learning_rate * step / warm_up
    share = (step - warm_up) / (steps - warm_up)
    falling = 0.5 * (1 + math.cos(math.pi * share))
    return options.learning_rate * (FINAL_SHARE + (1 - FINAL_SHARE) * falling)


def batch_at(step: int, count: int, options: InpFormerOptions) -> list[int]:
    """The views of this step; each comes once in an epoch, and a batch may span two epochs."""
    first = step * options.batch_size
    batch = []
    for position in range(first, first + options.batch_size):
        epoch, turn = divmod(position, count)
        order = np.random.default_rng((options.seed, 1, epoch)).permutation(count)
        batch.append(int(order[turn]))
    return batch


def sample_at(step: int, model: InpFormer, options: InpFormerOptions) -> Tensor | None:
    """Which tokens [S] the decoder rebuilds in this step; None for all."""
    count = model.config.grid**2
    if not 0 < options.tokens < count:
        return None
    draw = np.random.default_rng((options.seed, 2, step)).permutation(count)[: options.tokens]
    return torch.from_numpy(np.sort(draw)).to(model.pixel_mean.device)


@dataclass(frozen=True)
class Split:
    """Good pictures, those that are fitted and those that never are."""

    fitted: tuple[Path, ...]
    calibration: tuple[Path, ...]


def split_good(good: Sequence[Sequence[Path]], options: InpFormerOptions) -> Split:
    """Split the pictures of each kind of part by themselves.

    Raises:
        FitError: a kind leaves none for one of the two.
    """
    splits = [_split(part, number, options) for number, part in enumerate(good)]
    return Split(
        tuple(chain.from_iterable(split.fitted for split in splits)),
        tuple(chain.from_iterable(split.calibration for split in splits)),
    )


def _split(good: Sequence[Path], number: int, options: InpFormerOptions) -> Split:
    order = np.random.default_rng((options.seed, 0, number)).permutation(len(good))
    shuffled = tuple(good[int(index)] for index in order)
    held_back = math.ceil(options.calibration * len(good))
    if options.shots is not None:
        held_back = len(good) - options.shots
    if not 0 < held_back < len(good):
        raise FitError(
            f"{len(good)} good pictures leave none to fit on or none for the thresholds: give "
            f"at least {(options.shots or 1) + 1} of each part, and a share `calibration` above "
            "0 that leaves some to fit on"
        )
    return Split(shuffled[held_back:], shuffled[:held_back])


def _fingerprint(fitted: Sequence[Path], encoder: Pretrained) -> dict[str, str]:
    names = b"\n".join(os.fsencode(path.name) for path in fitted)
    weights = hashlib.sha256(repr(encoder.config).encode())
    for name in sorted(encoder.weights):
        weights.update(encoder.weights[name].numpy().tobytes())
    return {"good": hashlib.sha256(names).hexdigest(), "encoder": weights.hexdigest()}


def _point(step: int, averages: Tensor) -> CurvePoint:
    figures = dict(zip(LOSSES, averages.tolist(), strict=True))
    if not all(math.isfinite(value) for value in figures.values()):
        raise FitError(f"the loss was not finite before step {step}: lower the learning rate")
    return CurvePoint(step, figures)
