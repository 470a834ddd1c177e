"""Options of EfficientAD's fit."""

from __future__ import annotations

from dataclasses import dataclass

from takt_models.efficientad.config import Size
from takt_models.fit.errors import FitError
from takt_models.fit.options import Count, DetectorOptions, OpenShare, Share


@dataclass(frozen=True)
class EfficientAdOptions(DetectorOptions):
    """How an EfficientAD is fitted; a step is one good picture.

    Without `steps` a fit takes as many as `minutes` allow, and fewer where held-out pictures gain
    no more. From 40 % of the steps on, the learning rate falls to a hundredth along a cosine.

    Attributes:
        learning_rate: Of Muon and Adam, before it falls.
        weight_decay: Of Adam, as an L2 term in the gradient.
        width: Columns of the model's input in pixels: a multiple of 32, at least 256.
        height: Rows of the model's input in pixels: a multiple of 32, at least 256.
        variant: Size of teacher and student.
        validation: Share of the good pictures that scale the maps.
        hard_quantile_start: Quantile above which differences count in the first step.
        hard_quantile_end: Quantile above which differences count in the end; the paper's value.
        anneal: Share of the steps over which the quantile rises.
        variety: Share of the steps whose picture is mirrored, scaled and shifted; 0 where a
            mirrored part is a defective one.
        penalty_size: Side of the crops of other pictures in pixels. The paper takes that of the
            input; the loss is a mean over patches of 33 pixels, so a smaller crop estimates the
            same at a fraction of the cost.

    >>> EfficientAdOptions(minutes=5, variant="medium").width
    256
    >>> EfficientAdOptions(minutes=0)
    Traceback (most recent call last):
    takt_models.fit.errors.FitError: minutes is 0; it must be above 0
    """

    weight_decay: float = 1e-5
    width: int = 256
    height: int = 256
    variant: Size = "small"
    validation: OpenShare = 0.1
    hard_quantile_start: float = 0.9
    hard_quantile_end: float = 0.999
    anneal: float = 0.7
    variety: Share | None = None
    penalty_size: Count = 144

    def __post_init__(self) -> None:
        super().__post_init__()
        shorter = min(self.width, self.height)
        if self.penalty_size > 2 * shorter:
            raise FitError(
                f"penalty_size is {self.penalty_size}; it must be at most twice the shorter side "
                f"of the input, which is {shorter}"
            )
