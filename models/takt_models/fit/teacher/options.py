"""Options of the distillation."""

from __future__ import annotations

from dataclasses import dataclass

from takt_models.efficientad.config import Size
from takt_models.fit.options import Count, DescentOptions


@dataclass(frozen=True)
class TeacherOptions(DescentOptions):
    """How the teacher is distilled. After a warm-up the learning rate falls to 0 along a cosine.

    Attributes:
        steps: Optimiser steps, of eight crops each.
        batch_size: Crops of 128 × 128 pixels in a step.
        learning_rate: Of Muon and AdamW, before it falls.
        pool: Augmented pictures kept at hand; each step replaces the oldest by a new one.
        held_out: Share of the pictures on which the explained variance is measured.
        save_every: Steps between points of the loss curve.
        variant: PDN-S, or PDN-M, which costs three times as much.
        textures: Share of the examples that are made-up surfaces instead of pictures.

    >>> TeacherOptions(variant="medium").batch_size
    8
    """

    steps: Count = 8000
    batch_size: Count = 8
    pool: Count = 1500
    held_out: float = 0.05
    save_every: Count = 500
    variant: Size = "small"
    textures: float = 0.3
