"""Options of INP-Former's fit."""

from __future__ import annotations

from dataclasses import dataclass

from takt_models.fit.options import Count, DetectorOptions, Natural


@dataclass(frozen=True)
class InpFormerOptions(DetectorOptions):
    """How an INP-Former is fitted.

    The paper's 200 epochs are 200 · pictures / 16 steps. With `shots` a fit sees that many
    pictures of each part, in 22 views each; without, all but the share `calibration`. A cosine
    takes the learning rate to a tenth.

    Attributes:
        batch_size: Pictures in a step; the paper takes 16.
        tokens: Tokens of a picture that the decoder rebuilds in a step; 0 takes all, as the paper.
        learning_rate: Of StableAdamW.
        weight_decay: Of StableAdamW.
        clip: Largest norm of the whole gradient.
        shots: Fit on so many pictures of each kind only, augmented; the rest gives the thresholds.

    >>> InpFormerOptions(shots=4).calibration
    0.25
    """

    batch_size: Count = 4
    tokens: Natural = 196
    weight_decay: float = 1e-4
    clip: float = 0.1
    shots: Count | None = None
