"""The form of an EfficientAD of which its graph is written."""

from __future__ import annotations

import torch
from torch import Tensor

from takt_models.efficientad.detector import Differences, EfficientAd


class RewrittenEfficientAd(EfficientAd):
    """EfficientAD, whose teacher is normalised by its convolution and whose map is resized once.

    Args:
        model: as trained.
    """

    teacher_offset: Tensor
    teacher_factor: Tensor

    def __init__(self, model: EfficientAd) -> None:
        with torch.device("meta"):
            super().__init__(model.config)
        for name, child in model.named_children():
            setattr(self, name, child)
        for name, buffer in model.named_buffers(recurse=False):
            setattr(self, name, buffer)
        self.register_buffer("teacher_offset", -model.teacher_mean, persistent=False)
        self.register_buffer("teacher_factor", 1 / model.teacher_std, persistent=False)

    def teach(self, x: Tensor) -> Tensor:
        """Normalised input -> the teacher's features, per channel of mean 0 and deviation 1."""
        features: Tensor = self.teacher(x)
        # A sum and a product with constants, which engines fold into the convolution as they load
        # the graph. Folded here, its weights would no longer be numbers of float16, and the file
        # would grow; folded by operations on weights, NNCF would take them for none.
        return (features + self.teacher_offset) * self.teacher_factor

    def combine(self, raw: Differences, output_size: tuple[int, int] | None = None) -> Tensor:
        """The raw maps -> the anomaly map [N,1,H,W], as `EfficientAd.combine` does.

        Bilinear weights add up to 1, so that scaling and resizing may change places.
        """
        if self.config.recipe == "nelson1425":
            return super().combine(raw, output_size)
        scaled = self.scale(Differences(*(self.pad(m) for m in raw)))
        return self._resize(scaled, output_size or self.map_size)
