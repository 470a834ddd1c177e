"""Options of the distillation."""

from __future__ import annotations

from dataclasses import dataclass

from models.efficientad.config import Size


@dataclass(frozen=True)
class TeacherOptions:
    """How the teacher is distilled.

    Attributes:
        steps: optimiser steps.
        batch_size: crops of 128 × 128 in a step.
        learning_rate: of Muon and AdamW after warm-up, then cosine to 0.
        pool: augmented pictures kept at hand; each step replaces the oldest by a new one.
        seed: of crops, order and initial weights.
        held_out: share of the pictures on which the explained variance is measured.
        save_every: steps between states from which the fit can go on.
        size: PDN-S or PDN-M.
        textures: share of the examples that are made-up surfaces instead of pictures.
    """

    steps: int = 8000
    batch_size: int = 8
    learning_rate: float = 1e-3
    pool: int = 1500
    seed: int = 0
    held_out: float = 0.05
    save_every: int = 500
    size: Size = "small"
    textures: float = 0.3
