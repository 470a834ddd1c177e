"""The fit of an EfficientAD on good pictures (Batzner et al., arXiv 2303.14535, section 3).

The losses are the paper's. A fit here is hundreds or thousands of steps instead of 70,000, so
six things differ: the larger convolutions of student and autoencoder step by Muon, all else by
Adam as in the paper; few good pictures are also seen mirrored, scaled and shifted; the score is
the mean of the map's highest hundredth, not its maximum; the learning rate is ten times the
paper's and falls along a cosine over the last steps (the paper's is constant but for the last
5 %); the hard quantile starts low and rises (at 0.999 a step uses 0.1 % of the differences, which
starves a short fit); and one jittered picture serves the student's and the autoencoder's losses
alike. The teacher's features of a jittered picture are not kept: with thousands of steps over
hundreds of pictures a jitter hardly ever comes twice, and the teacher takes a seventh of a step.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.efficientad.config import EfficientAdConfig, Size
from models.efficientad.detector import PDN, EfficientAd
from models.efficientad.statistics import set_map_quantiles, set_teacher_statistics
from models.fit.device import Compute, place, round_to_fp16
from models.fit.efficientad.losses import LOSSES, step_losses
from models.fit.errors import FitError
from models.fit.optim.muon import Muon, others_than, suits_muon
from models.fit.optim.schedule import Schedule
from models.fit.optim.winograd import plain, winograd
from models.fit.pictures import GoodPictures, Load, OtherPictures
from models.fit.progress import CurvePoint, Progress, Resume
from models.fit.variation import share_for

CONSTANT_SHARE = 0.4
"""Share of the steps before the learning rate falls."""

SCORED_SHARE = 0.01
"""Of the map's cells: INP-Former's rule. One cell that is strange by chance outranks no defect."""

LOOK_EVERY = 100
"""Steps between looks at the validation pictures."""


@dataclass(frozen=True)
class EfficientAdOptions:
    """How an EfficientAD is fitted.

    Attributes:
        steps: optimiser steps, of one picture each; None for as many as `minutes` allow, and
            fewer where held-out pictures gain no more.
        minutes: that a fit takes where no steps are given.
        learning_rate: of Muon and Adam; from 40 % of the steps on it falls to a hundredth along a
            cosine.
        weight_decay: of Adam, as an L2 term in the gradient.
        image_size: side of the square input in pixels; a multiple of 32, at least 256.
        size: of teacher and student.
        seed: of split, order, augmentation, dropout and initial weights.
        validation: share of the good pictures from which the maps' quantiles are taken.
        calibration: share of the good pictures that the fit never sees, for the thresholds.
        save_every: steps between states from which the fit can go on.
        hard_quantile_start: quantile above which differences count in the first step.
        hard_quantile_end: the same, once annealed; the paper's value.
        anneal: share of the steps over which the quantile rises.
        variety: share of the steps whose good picture is mirrored, scaled and shifted; None for
            the more, the fewer there are, and none from a hundred on.
        penalty_size: side of the crops of other pictures in pixels. The paper takes
            `image_size`; the loss is a mean over patches of 33 pixels, so a smaller crop
            estimates the same at a fraction of the cost.
    """

    steps: int | None = None
    minutes: float = 20.0
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    image_size: int = 256
    size: Size = "small"
    seed: int = 0
    validation: float = 0.1
    calibration: float = 0.25
    save_every: int = 100
    hard_quantile_start: float = 0.9
    hard_quantile_end: float = 0.999
    anneal: float = 0.7
    variety: float | None = None
    penalty_size: int = 144

    def __post_init__(self) -> None:
        if (self.steps is not None and self.steps < 1) or self.save_every < 1:
            raise FitError("steps and save_every must be at least 1")
        if not self.minutes > 0:
            raise FitError(f"minutes is {self.minutes}; it must be above 0")
        if self.variety is not None and not 0 <= self.variety <= 1:
            raise FitError(f"variety is {self.variety}; it is a share, from 0 to 1")
        if not 0 < self.penalty_size <= 2 * self.image_size:
            raise FitError(
                f"penalty_size is {self.penalty_size}; it must be at least 1 and at most twice "
                f"image_size, which is {self.image_size}"
            )


@dataclass(frozen=True)
class FittedEfficientAd:
    """What a fit gives.

    Attributes:
        model: in eval mode on the CPU, float32; its weights are exact in float16.
        curve: the losses, averaged between saves, and the differences on validation pictures.
        steps: that were taken.
        steps_per_s: of the part that ran now, without the reading of pictures before it.
        seen: the good pictures that the fit looked at, fitted and validation.
        calibration: the good pictures that it did not.
    """

    model: EfficientAd
    curve: list[CurvePoint]
    steps: int
    steps_per_s: float
    seen: tuple[Path, ...]
    calibration: tuple[Path, ...]


def fit_efficientad(
    good: Sequence[Path],
    other: Sequence[Path],
    load: Load,
    load_other: Load,
    teacher: PDN,
    output: Path,
    options: EfficientAdOptions,
    compute: Compute,
    *,
    quiet: bool = False,
) -> FittedEfficientAd:
    """Fit student and autoencoder; an interrupted call with the same arguments goes on.

    Args:
        good: pictures of good parts.
        other: pictures of anything else, for the penalty; none leaves the penalty out.
        load: reads a good picture as RGB uint8 [image_size,image_size,3], exactly as the
            service will.
        load_other: reads another picture as RGB uint8 [H,W,3].
        teacher: of the options' size; its channels become the model's.
        output: the file that will be written by the caller; the state is kept beside it.
        options: see there.
        compute: device and precision.
        quiet: show no progress bar.

    Raises:
        FitError: too few pictures, another teacher than the options say, or a loss that is
            not finite.
        FlatStatisticsError: the pictures, or the maps on them, never vary.
        ResumeMismatchError: an interrupted fit at `output` had other options.
    """
    split = _split(good, options)
    torch.manual_seed(options.seed)
    model = _for_fitting(_untrained(teacher, options), compute)
    networks = [*model.student.children(), *model.autoencoder.modules()]
    muon = Muon(suits_muon(networks), options.learning_rate)
    adam = torch.optim.Adam(
        others_than(muon, [*model.student.parameters(), *model.autoencoder.parameters()]),
        lr=options.learning_rate,
        weight_decay=options.weight_decay,
        fused=True,
    )
    schedule = Schedule(options.steps, options.minutes, CONSTANT_SHARE)
    resume = Resume(
        output,
        {**asdict(options), **_fingerprint(split.seen, other, teacher)},
        {"model": model, "muon": muon, "adam": adam, "schedule": schedule},
    )
    done, curve = resume.load()
    variety = share_for(len(split.fitted)) if options.variety is None else options.variety
    fitted = GoodPictures(split.fitted, load, options.seed, compute.device, variety)
    validation = GoodPictures(split.validation, load, options.seed, compute.device)
    _read_all(validation, other, load_other)
    silent = OtherPictures(
        other,
        load_other,
        options.penalty_size,
        options.penalty_size / (2 * options.image_size),
        options.seed,
        compute.device,
    )
    if done == 0:
        set_teacher_statistics(model, fitted.plain())

    model.autoencoder.train()
    sums = torch.zeros(len(LOSSES), device=compute.device)
    progress = Progress("efficientad", schedule, done=done, quiet=quiet)
    for step in progress:
        torch.manual_seed(_dropout_seed(options.seed, step))
        losses = step_losses(
            model,
            fitted.at(step),
            silent.at(step) if other else None,
            hard_quantile(step, schedule.steps, options),
            compute,
        )
        for optimizer in (muon, adam):
            optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses.sum())
        for optimizer in (muon, adam):
            optimizer.param_groups[0]["lr"] = learning_rate(step, schedule.steps, options)
            optimizer.step()
        sums += losses.detach()
        schedule.tick(step + 1)
        if step % 20 == 0:
            progress.show(loss=losses.sum().item())
        looks = (step + 1) % LOOK_EVERY == 0
        saves = (step + 1) % options.save_every == 0 or step + 1 == schedule.steps
        if looks or saves:
            held_out = _held_out(model, validation, compute)
        if looks:
            schedule.look(step + 1, held_out)
        if saves:
            since = step + 1 - (curve[-1].step if curve else 0)
            curve.append(_point(step + 1, sums / since, held_out))
            sums.zero_()
            resume.save(step + 1, curve)

    model.eval()
    for network in (model.teacher, model.student):
        plain(network)
    round_to_fp16(model)
    set_map_quantiles(model, validation.plain())
    # The layout in which it will be loaded, so that this model and the loaded one answer alike.
    place(model, torch.device("cpu"), torch.contiguous_format)
    return FittedEfficientAd(
        model, curve, schedule.steps, progress.steps_per_s, split.seen, split.calibration
    )


@torch.no_grad()
def _held_out(model: EfficientAd, validation: GoodPictures, compute: Compute) -> float:
    """The mean of both maps over pictures that are not fitted: what is left to learn."""
    model.eval()
    with compute.autocast():
        raw = [model.differences(model.normalize(image)) for image in validation.plain()]
    model.autoencoder.train()
    return float(np.mean([(one.st.float().mean() + one.ae.float().mean()).item() for one in raw]))


def _for_fitting(model: EfficientAd, compute: Compute) -> EfficientAd:
    """On its device, in the form in which its steps are cheapest."""
    place(model, compute.device)
    if compute.device.type == "cpu" and not compute.bf16:
        winograd(model.teacher)
        winograd(model.student)
    return model


def _read_all(validation: GoodPictures, other: Sequence[Path], load_other: Load) -> None:
    """Meet a picture that cannot be read now, not after hours."""
    for _ in validation.plain():
        pass
    for path in other:
        load_other(path)


def hard_quantile(step: int, steps: int, options: EfficientAdOptions) -> float:
    """The quantile at `step` (from 0) of `steps`: linear from start to end, then constant."""
    share = min(1.0, step / max(1.0, options.anneal * steps))
    start, end = options.hard_quantile_start, options.hard_quantile_end
    return start + share * (end - start)


def learning_rate(step: int, steps: int, options: EfficientAdOptions) -> float:
    """The learning rate at `step` (from 0) of `steps`: constant, then a half cosine to 1 %."""
    share = max(0.0, (step / steps - CONSTANT_SHARE) / (1 - CONSTANT_SHARE))
    return options.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


@dataclass(frozen=True)
class _Split:
    fitted: tuple[Path, ...]
    validation: tuple[Path, ...]
    calibration: tuple[Path, ...]

    @property
    def seen(self) -> tuple[Path, ...]:
        return self.fitted + self.validation


def _split(good: Sequence[Path], options: EfficientAdOptions) -> _Split:
    order = np.random.default_rng((options.seed, 0)).permutation(len(good))
    calibration = math.ceil(options.calibration * len(good))
    validation = calibration + math.ceil(options.validation * len(good))
    shuffled = [good[int(i)] for i in order]
    split = _Split(
        fitted=tuple(shuffled[validation:]),
        validation=tuple(shuffled[calibration:validation]),
        calibration=tuple(shuffled[:calibration]),
    )
    for name, part in vars(split).items():
        if not part:
            raise FitError(
                f"{len(good)} good pictures leave none for the part `{name}`: give at least 3, "
                "and shares `validation` and `calibration` above 0 that leave some to fit on"
            )
    return split


def _untrained(teacher: PDN, options: EfficientAdOptions) -> EfficientAd:
    if teacher.size != options.size:
        raise FitError(f"the teacher is {teacher.size}; ask for that size, not {options.size}")
    config = EfficientAdConfig(
        size=options.size,
        image_size=options.image_size,
        teacher_channels=next(reversed(teacher.state_dict().values())).shape[0],
        scored_share=SCORED_SHARE,
    )
    model = EfficientAd(config)
    model.teacher.load_state_dict(teacher.state_dict())
    model.teacher.requires_grad_(False)
    round_to_fp16(model.teacher)
    return model


def _fingerprint(seen: Iterable[Path], other: Iterable[Path], teacher: PDN) -> dict[str, str]:
    weights = b"".join(w.detach().cpu().numpy().tobytes() for w in teacher.parameters())
    names = {"good": seen, "other": other}
    texts = {
        key: b"\n".join(os.fsencode(path.name) for path in paths) for key, paths in names.items()
    }
    contents = {**texts, "teacher": weights}
    return {key: hashlib.sha256(content).hexdigest() for key, content in contents.items()}


def _dropout_seed(seed: int, step: int) -> int:
    """Dropout draws from torch's global generator: a resumed fit must draw the same."""
    return int(np.random.default_rng((seed, 3, step)).integers(2**63))


def _point(step: int, averages: Tensor, held_out: float) -> CurvePoint:
    figures = {**dict(zip(LOSSES, averages.tolist(), strict=True)), "held_out": held_out}
    if not all(math.isfinite(value) for value in figures.values()):
        raise FitError(f"the loss was not finite before step {step}: lower the learning rate")
    return CurvePoint(step, figures)
