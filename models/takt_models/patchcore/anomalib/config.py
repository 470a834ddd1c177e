"""The settings that shape a PatchCore of anomalib."""

from __future__ import annotations

from dataclasses import dataclass

USUAL_NEIGHBORS = 9


@dataclass(frozen=True)
class JointPatchCoreConfig:
    """Settings that shape a PatchCore of one joint bank; its weights fit one such set only.

    Attributes:
        backbone: name of the network in timm, such as `wide_resnet50_2`.
        layers: positions of the joined layers among those that timm offers of the backbone, in
            rising order; the first one's grid is that of the patches.
        bank_size: vectors of the bank.
        width: columns of the input in pixels.
        height: rows of the input in pixels.
        neighbors: vectors of the bank that are weighed against each other for the score; 1 for a
            score without weight.

    >>> JointPatchCoreConfig("resnet18", (2, 3), bank_size=0)
    Traceback (most recent call last):
    ValueError: bank_size is 0; it must be at least 1
    """

    backbone: str
    layers: tuple[int, ...]
    bank_size: int
    width: int = 256
    height: int = 256
    neighbors: int = USUAL_NEIGHBORS

    def __post_init__(self) -> None:
        for name in ("bank_size", "width", "height", "neighbors"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        if not self.layers or list(self.layers) != sorted(set(self.layers)) or self.layers[0] < 0:
            raise ValueError(f"layers is {self.layers!r}; it must name layers in rising order")

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the input in pixels."""
        return self.height, self.width
