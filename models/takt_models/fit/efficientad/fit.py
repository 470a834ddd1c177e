"""The fit of an EfficientAD on good pictures (Batzner et al., arXiv 2303.14535, section 3).

The losses are the paper's. A fit here takes hundreds or thousands of steps instead of 70,000, so
six things differ:

- Muon steps the larger convolutions of student and autoencoder; Adam steps the rest, as in the
  paper.
- Good pictures are also mirrored, scaled and shifted where they are few.
- The score is the mean of the map's highest hundredth, not its maximum.
- The learning rate is ten times the paper's and falls along a cosine over the last steps. The
  paper's is constant but for the last 5 %.
- The hard quantile starts low and rises. At 0.999 a step uses 0.1 % of the differences, which
  starves a short fit.
- One jittered picture serves the losses of the student and of the autoencoder. The teacher's
  features of it are not kept: over hundreds of pictures a jitter hardly ever comes twice, and the
  teacher takes a seventh of a step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import PDN, EfficientAd
from takt_models.efficientad.statistics import set_map_quantiles, set_teacher_statistics
from takt_models.fit.device import Compute, place, round_to_fp16
from takt_models.fit.efficientad.losses import LOSSES, step_losses
from takt_models.fit.efficientad.options import EfficientAdOptions
from takt_models.fit.efficientad.three_parts import ThreeParts
from takt_models.fit.errors import FitError
from takt_models.fit.looks import LOOK, BestState, Looks, Spoil, looks_at, share_told_apart
from takt_models.fit.optim.descent import descend
from takt_models.fit.optim.muon import Muon, others_than, suits_muon
from takt_models.fit.optim.schedule import Schedule
from takt_models.fit.optim.winograd import plain, winograd
from takt_models.fit.pictures import Load, OtherPictures, TrainingPictures
from takt_models.fit.progress import AveragedLosses, Fitted, Progress
from takt_models.fit.resume import Resume, digest_of_good, digest_of_names, digest_of_weights
from takt_models.fit.variation import share_for

CONSTANT_SHARE = 0.4
"""Share of the steps before the learning rate falls."""

SCORED_SHARE = 0.01
"""Share of the map's cells whose mean is the score, as INP-Former has it: one cell that is strange
by chance then outranks no defect."""

LOOK_EVERY = 100
"""Steps between looks at the validation pictures."""


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
    part: Sequence[int] | None = None,
    digests: Mapping[Path, str] | None = None,
    spoil: Spoil | None = None,
    quiet: bool = False,
) -> Fitted[EfficientAd]:
    """Fits student and autoencoder; an interrupted call with the same arguments goes on.

    Args:
        good: pictures of good parts.
        other: pictures of anything else, for the penalty; none leaves the penalty out.
        load: reads a good picture as RGB uint8 [height,width,3], exactly as the
            service will.
        load_other: reads another picture as RGB uint8 [H,W,3].
        teacher: network of the options' variant; its channels become the model's.
        output: file that the caller will write; the state is kept beside it.
        options: length, size and the other options of the fit.
        compute: device and precision.
        part: number of the part that each good picture shows, all of whose pictures are fitted on
            or none; each shows its own if None.
        digests: of each good picture's content, by which an interrupted fit tells whether they
            are the same; None where nobody knows, and names have to do.
        spoil: reads a good picture as `load` does, with made-up defects. With it, the model is the
            state that tells them best from held-out good pictures; without, the last one.
        quiet: whether the progress bar is left out.

    Raises:
        FitError: the pictures are too few, the teacher is of another variant than the options, or
            a loss is not finite.
        FlatStatisticsError: the pictures, or the maps on them, never vary.
        ResumeMismatchError: an interrupted fit at `output` had other options.
    """
    split = ThreeParts.of(good, options, part)
    torch.manual_seed(options.seed)
    model = _for_fitting(untrained(teacher, options), compute)
    networks = [*model.student.children(), *model.autoencoder.modules()]
    muon = Muon(suits_muon(networks), options.learning_rate)
    adam = torch.optim.Adam(
        others_than(muon, [*model.student.parameters(), *model.autoencoder.parameters()]),
        lr=options.learning_rate,
        weight_decay=options.weight_decay,
        fused=True,
    )
    schedule = Schedule(options.steps, options.minutes, CONSTANT_SHARE)
    averaged = AveragedLosses(LOSSES, [], compute.device)
    best = BestState(nn.ModuleDict({"student": model.student, "autoencoder": model.autoencoder}))
    resume = Resume(
        output,
        {
            **asdict(options),
            "good": digest_of_good(split.seen, digests),
            "other": digest_of_names(other),
            "teacher": digest_of_weights(teacher.parameters()),
            "made-up defects": spoil is not None,
        },
        {
            "model": model,
            "muon": muon,
            "adam": adam,
            "schedule": schedule,
            "losses": averaged,
            "best": best,
        },
    )
    done, averaged.curve = resume.load()
    variety = share_for(len(split.fitted)) if options.variety is None else options.variety
    fitted = TrainingPictures(split.fitted, load, options.seed, compute.device, variety)
    validation = TrainingPictures(split.validation, load, options.seed, compute.device)
    _read_all(validation, other, load_other, quiet=quiet)
    looks = Looks(split.validation, load, spoil, compute.device)
    silent = OtherPictures(
        other,
        load_other,
        options.penalty_size,
        options.penalty_size / (2 * math.sqrt(options.width * options.height)),
        options.seed,
        compute.device,
    )
    if done == 0:
        set_teacher_statistics(model, fitted.plain())

    model.autoencoder.train()
    progress = Progress("efficientad", schedule, done=done, quiet=quiet)
    with resume.on_interrupt():
        for step in progress:
            torch.manual_seed(_dropout_seed(options.seed, step))
            losses = step_losses(
                model,
                fitted.at(step),
                silent.at(step) if other else None,
                hard_quantile(step, schedule.steps, options),
                compute,
            )
            descend(losses.sum(), (muon, adam), learning_rate(step, schedule.steps, options))
            averaged.add(losses)
            schedule.tick(step + 1)
            if step % 20 == 0:
                progress.show(loss=losses.sum().item())
            looks_for_plateau = (step + 1) % LOOK_EVERY == 0
            looks_now = bool(looks) and looks_at(step + 1, schedule.steps)
            last = step + 1 == schedule.steps
            saves = looks_now or last or (step + 1) % options.save_every == 0
            if looks_for_plateau or saves:
                held_out = _held_out(model, validation, compute)
            if looks_for_plateau:
                schedule.look(step + 1, held_out)
            if saves:
                figures = {"held_out": held_out}
                if looks_now:
                    figures[LOOK] = _auroc(model, looks)
                    best.offer(step + 1, figures[LOOK])
                averaged.close(step + 1, **figures)
            resume.step_done(step + 1, averaged.curve, keep=saves)

    best.restore()
    model.eval()
    for network in (model.teacher, model.student):
        plain(network)
    round_to_fp16(model)
    set_map_quantiles(model, validation.plain())
    # The layout of a loaded model, so that this one answers alike.
    place(model, torch.device("cpu"), torch.contiguous_format)
    return Fitted(
        model,
        averaged.curve,
        schedule.steps,
        progress.steps_per_s,
        split.seen,
        split.calibration,
        kept_step=best.step,
        auroc=best.auroc,
    )


@torch.no_grad()
def _held_out(model: EfficientAd, validation: TrainingPictures, compute: Compute) -> float:
    """The mean of both maps over pictures that are not fitted: how much is left to learn."""
    model.eval()
    with compute.autocast():
        raw = [model.differences(model.normalize(image)) for image in validation.plain()]
    model.autoencoder.train()
    return float(np.mean([(one.st.float().mean() + one.ae.float().mean()).item() for one in raw]))


@torch.no_grad()
def _auroc(model: EfficientAd, looks: Looks) -> float:
    """How well the scores tell made-up defects from good pictures, each map scaled by these."""
    model.eval()
    set_map_quantiles(model, looks.good)
    auroc = share_told_apart(looks.good, looks.spoiled, lambda image: model(image)[1].item())
    model.autoencoder.train()
    return auroc


def _for_fitting(model: EfficientAd, compute: Compute) -> EfficientAd:
    """The model on its device, in the form in which its steps are cheapest."""
    place(model, compute.device)
    if compute.device.type == "cpu" and not compute.bf16:
        winograd(model.teacher)
        winograd(model.student)
    return model


def _read_all(
    validation: TrainingPictures, other: Sequence[Path], load_other: Load, *, quiet: bool
) -> None:
    """Reads every picture once, so that an unreadable one fails the fit now, not after hours."""
    for _ in validation.plain():
        pass
    for number in Progress("reading", len(other), unit="picture", quiet=quiet):
        load_other(other[number])


def hard_quantile(step: int, steps: int, options: EfficientAdOptions) -> float:
    """The quantile at `step` (from 0) of `steps`: linear from start to end, then constant."""
    share = min(1.0, step / max(1.0, options.anneal * steps))
    start, end = options.hard_quantile_start, options.hard_quantile_end
    return start + share * (end - start)


def learning_rate(step: int, steps: int, options: EfficientAdOptions) -> float:
    """The learning rate at `step` (from 0) of `steps`: constant, then a half cosine to 1 %."""
    share = max(0.0, (step / steps - CONSTANT_SHARE) / (1 - CONSTANT_SHARE))
    return options.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def untrained(teacher: PDN, options: EfficientAdOptions) -> EfficientAd:
    """The detector before its first step, with a copy of the teacher.

    Raises:
        FitError: the teacher is of another variant than the options say.
    """
    if teacher.size != options.variant:
        raise FitError(
            f"the teacher is {teacher.size}; ask for that variant, not {options.variant}"
        )
    config = EfficientAdConfig(
        size=options.variant,
        width=options.width,
        height=options.height,
        teacher_channels=next(reversed(teacher.state_dict().values())).shape[0],
        scored_share=SCORED_SHARE,
    )
    model = EfficientAd(config)
    model.teacher.load_state_dict(teacher.state_dict())
    model.teacher.requires_grad_(False)
    round_to_fp16(model.teacher)
    return model


def _dropout_seed(seed: int, step: int) -> int:
    """The seed of torch's global generator, from which dropout draws, for one step."""
    return int(np.random.default_rng((seed, 3, step)).integers(2**63))
