"""The fit of an INP-Former on good pictures (Luo et al., arXiv 2503.02424).

Losses, optimiser, schedule and initial weights are the paper's. The encoder is frozen and nothing
is augmented, so its tokens of a picture are computed once and kept. In a step the decoder may
rebuild a sample of a picture's tokens only: each token is rebuilt from the INPs alone, so a sample
estimates the same loss, and a CPU takes more steps in the same time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from takt_models.dinov2.maps import Groups
from takt_models.fit.device import Compute, place, round_to_fp16
from takt_models.fit.errors import FitError
from takt_models.fit.inpformer.encoders import Pretrained, load_into
from takt_models.fit.inpformer.losses import LOSSES, step_losses
from takt_models.fit.inpformer.options import InpFormerOptions
from takt_models.fit.inpformer.tokens import EncodedPictures, encoded_groups, set_token_statistics
from takt_models.fit.looks import (
    LOOK,
    MOST_PICTURES,
    BestState,
    Looks,
    Spoil,
    looks_at,
    share_told_apart,
)
from takt_models.fit.optim.descent import descend
from takt_models.fit.optim.schedule import Schedule
from takt_models.fit.optim.stable_adamw import StableAdamW
from takt_models.fit.parts import cut_between, kept_together
from takt_models.fit.pictures import Load
from takt_models.fit.progress import AveragedLosses, Fitted, Progress
from takt_models.fit.resume import Resume, Stateful, digest_of_good, digest_of_weights
from takt_models.inpformer.detector import InpFormer
from takt_models.inpformer.lite0 import Lite0Encoder

WARM_UP = 100
"""Steps in which the learning rate rises."""

FINAL_SHARE = 0.1
"""Learning rate of the last step, over the largest one."""

INITIAL_STD = 0.01


def fit_inpformer(
    good: Sequence[Sequence[Path]],
    load: Load,
    encoder: Pretrained,
    output: Path,
    options: InpFormerOptions,
    compute: Compute,
    *,
    part: Sequence[int] | None = None,
    digests: Mapping[Path, str] | None = None,
    spoil: Spoil | None = None,
    quiet: bool = False,
) -> Fitted[InpFormer]:
    """Fits extractor, bottleneck and decoder; an interrupted call with the same arguments goes on.

    Args:
        good: pictures of good parts, one sequence for each kind of part. All of them are shuffled
            together, as in the paper's multi-class training.
        load: reads a good picture as RGB uint8 [H,W,3] of the encoder's input size, exactly as
            the service will.
        encoder: frozen encoder, which shapes the model.
        output: file that the caller will write; the state is kept beside it.
        options: length, batch and the other options of the fit.
        compute: device and precision.
        part: number of the part that each picture shows, of all kinds one after another; all
            pictures of a part are fitted on or none. Each shows its own if None.
        digests: of each good picture's content, by which an interrupted fit tells whether they
            are the same; None where nobody knows, and names have to do.
        spoil: reads a good picture as `load` does, with made-up defects. With it, a few pictures
            are held out, and the model is the state that tells the defects best from them;
            without, the last one.
        quiet: whether the progress bar is left out.

    Raises:
        FitError: the pictures are too few, or a loss is not finite.
        FlatTokensError: the pictures never vary.
        ResumeMismatchError: an interrupted fit at `output` had other options.
    """
    schedule = Schedule(options.steps, options.minutes, free_share=1.0)
    split = split_good(good, options, part, looks=spoil is not None)
    torch.manual_seed(options.seed)
    model = InpFormer(encoder.config)
    load_into(model.encoder, encoder)
    trained = trained_parts(model)
    start(trained)
    place(model, compute.device, torch.contiguous_format)
    optimizer = StableAdamW(
        trained.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    averaged = AveragedLosses(LOSSES, [], compute.device)
    best = BestState(trained)
    parts: dict[str, Stateful] = {
        "trained": trained,
        "optimizer": optimizer,
        "schedule": schedule,
        "losses": averaged,
        "best": best,
    }
    resume = Resume(
        output,
        {
            **asdict(options),
            "good": digest_of_good(split.seen, digests),
            "made-up defects": spoil is not None,
            "encoder": digest_of_weights(
                (encoder.weights[name] for name in sorted(encoder.weights)), repr(encoder.config)
            ),
        },
        # The encoder lite0 has statistics, which are measured once.
        parts | ({"encoder": model.encoder} if isinstance(model.encoder, Lite0Encoder) else {}),
    )
    done, averaged.curve = resume.load()
    pictures = EncodedPictures(
        split.fitted, load, model, compute, augmented=options.shots is not None
    )
    if done == 0:
        set_token_statistics(model, pictures, quiet=quiet)
    # Before the first step: the first steps tell how long a step takes.
    pictures.fill(quiet=quiet)
    looks = Looks(split.validation, load, spoil, compute.device)
    unspoiled, spoiled = (
        [encoded_groups(model, image) for image in images] for images in (looks.good, looks.spoiled)
    )

    progress = Progress("inpformer", schedule, done=done, quiet=quiet)
    with resume.on_interrupt():
        for step in progress:
            encoded = pictures.batch(batch_at(step, len(pictures), options))
            losses = step_losses(model, encoded, sample_at(step, model, options), compute)
            rate = learning_rate(step, schedule.steps, options)
            descend(losses.sum(), [optimizer], rate, options.clip)
            averaged.add(losses)
            schedule.tick(step + 1)
            if step % 20 == 0:
                progress.show(loss=losses.sum().item())
            looks_now = bool(spoiled) and looks_at(step + 1, schedule.steps)
            last = step + 1 == schedule.steps
            if looks_now:
                auroc = share_told_apart(unspoiled, spoiled, partial(score_of, model))
                best.offer(step + 1, auroc)
                averaged.close(step + 1, **{LOOK: auroc})
            elif last or (step + 1) % options.save_every == 0:
                averaged.close(step + 1)
            resume.step_done(step + 1, averaged.curve, keep=averaged.closed_at(step + 1))

    best.restore()
    round_to_fp16(trained)
    place(model, torch.device("cpu"), torch.contiguous_format)
    return Fitted(
        model.eval().requires_grad_(False),
        averaged.curve,
        schedule.steps,
        progress.steps_per_s,
        split.seen,
        split.calibration,
        kept_step=best.step,
        auroc=best.auroc,
    )


@torch.no_grad()
def score_of(model: InpFormer, encoded: tuple[Tensor, ...]) -> float:
    """The score of a picture, from its means [1,T,D] over the encoder's groups."""
    encoded = tuple(group.to(model.pixel_mean.device).float() for group in encoded)
    fused = model.fuse(encoded)
    decoded = model.group_decoded(model.decode(fused, model.extract(fused)))
    maps = model.group_maps(Groups(encoded, decoded)).mean(1)
    return model.score(model.smooth(model.enlarge(maps))).item()


def trained_parts(model: InpFormer) -> nn.ModuleDict:
    """The parts that a fit trains: all but the encoder."""
    return nn.ModuleDict(
        {"extractor": model.extractor, "bottleneck": model.bottleneck, "decoder": model.decoder}
    )


def start(trained: nn.Module) -> None:
    """Sets initial weights: normal of deviation 0.01, cut at three deviations; biases 0."""
    for module in trained.modules():
        if isinstance(module, nn.Linear):
            limit = 3 * INITIAL_STD
            nn.init.trunc_normal_(module.weight, std=INITIAL_STD, a=-limit, b=limit)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def learning_rate(step: int, steps: int, options: InpFormerOptions) -> float:
    """The learning rate at `step` (from 0) of `steps`: it rises for 100 steps, then falls.

    The rise takes a tenth of the steps at most; a cosine then falls to a tenth of the rate.
    """
    warm_up = min(WARM_UP, steps // 10)
    if step < warm_up:
        return options.learning_rate * step / warm_up
    share = (step - warm_up) / (steps - warm_up)
    falling = 0.5 * (1 + math.cos(math.pi * share))
    return options.learning_rate * (FINAL_SHARE + (1 - FINAL_SHARE) * falling)


def batch_at(step: int, count: int, options: InpFormerOptions) -> list[int]:
    """The views of a step; each view comes once in an epoch, and a batch may span two epochs."""
    first = step * options.batch_size
    batch = []
    for position in range(first, first + options.batch_size):
        epoch, turn = divmod(position, count)
        order = np.random.default_rng((options.seed, 1, epoch)).permutation(count)
        batch.append(int(order[turn]))
    return batch


def sample_at(step: int, model: InpFormer, options: InpFormerOptions) -> Tensor | None:
    """The tokens [S] that the decoder rebuilds in a step; None for all."""
    count = model.config.tokens
    if not 0 < options.tokens < count:
        return None
    draw = np.random.default_rng((options.seed, 2, step)).permutation(count)[: options.tokens]
    return torch.from_numpy(np.sort(draw)).to(model.pixel_mean.device)


@dataclass(frozen=True)
class Split:
    """Good pictures: those that are fitted, looked at on the way, and never seen."""

    fitted: tuple[Path, ...]
    validation: tuple[Path, ...]
    calibration: tuple[Path, ...]

    @property
    def seen(self) -> tuple[Path, ...]:
        """The pictures that the fit sees."""
        return self.fitted + self.validation


def split_good(
    good: Sequence[Sequence[Path]],
    options: InpFormerOptions,
    part: Sequence[int] | None = None,
    *,
    looks: bool = False,
) -> Split:
    """Splits the pictures of each kind of part by themselves.

    Args:
        good: pictures of each kind.
        options: share or number of the pictures to fit on.
        part: number of the part that each picture shows, of all kinds one after another; each
            shows its own if None.
        looks: whether a tenth is held out to be looked at, a few pictures at most; of less than
            ten pictures, none is.

    Raises:
        FitError: a kind has too few pictures for both halves.
    """
    most = math.ceil(MOST_PICTURES / max(1, len(good))) if looks else 0
    splits, first = [], 0
    for number, kind in enumerate(good):
        of_kind = None if part is None else part[first : first + len(kind)]
        splits.append(_split(kind, number, options, most, of_kind))
        first += len(kind)
    return Split(
        tuple(chain.from_iterable(split.fitted for split in splits)),
        tuple(chain.from_iterable(split.validation for split in splits)),
        tuple(chain.from_iterable(split.calibration for split in splits)),
    )


def _split(
    good: Sequence[Path],
    number: int,
    options: InpFormerOptions,
    most: int,
    part: Sequence[int] | None,
) -> Split:
    order = np.random.default_rng((options.seed, 0, number)).permutation(len(good))
    parts = kept_together(order.tolist(), part)
    shuffled = tuple(good[picture] for picture in chain.from_iterable(parts))
    wanted = math.ceil(options.calibration * len(good))
    if options.shots is not None:
        wanted = len(good) - options.shots
    held_back = cut_between(parts, wanted) if 0 < wanted < len(good) else 0
    if not 0 < held_back < len(good):
        raise FitError(
            f"{len(good)} good pictures of {len(parts)} parts leave none to fit on or none for the "
            "thresholds: give "
            f"at least {(options.shots or 1) + 1} of each part, and a share `calibration` above "
            "0 that leaves some to fit on"
        )
    if options.shots is not None:
        looked_at = min(most, held_back // 10)
        first = held_back - looked_at
        return Split(shuffled[held_back:], shuffled[first:held_back], shuffled[:first])
    first = held_back + min(most, (len(good) - held_back) // 10)
    return Split(shuffled[first:], shuffled[held_back:first], shuffled[:held_back])
