"""What makes up a memory bank: one setting for all sets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """A setting of the bank.

    Attributes:
        blocks: blocks of the backbone whose outputs are joined.
        groups: blocks that share a bank, instead of one bank for all; the groups' maps are
            standardised by those of good pictures and put together on the finest grid.
        windows: `neighbourhood` of each group, or without groups of each block.
        weights: factor of each block's channels.
        together: `mean` or `max` of the groups' maps.
        scale: `std` divides each channel by its deviation, `block` each block by its mean
            deviation, `white` decorrelates all channels, `none` leaves them.
        balance: whether each block weighs the same, whatever its number of channels.
        neighbourhood: cells along the side of the averaged window, on the block's own grid.
        pool: `avg` or `max` of the window, `dev` for mean and deviation, `contrast` for the mean
            and what the cell differs from a window three times as wide.
        stride: pixels of the input between cells of the map.
        area: pixels of the input are area squared.
        shape: `square`, or `auto` for the aspect ratio of the pictures.
        centred: whether each picture's own mean is subtracted from its vectors.
        unit: whether each vector is divided by its length.
        bank: vectors.
        candidates: vectors among which the bank is chosen.
        folds: groups of pictures that have a bank each; the served one is their union.
        k: neighbours whose distances are averaged.
        density: exponent of the usual distance around a bank's vector, which divides.
        place: weight of a cell's place in the picture, as two more channels: what a whole side away
            counts, in usual distances.
        local: whether maps are standardised, place by place, by those of the good pictures; the
            number is of pictures that an average over all places counts as beside them, 0 is not.
        seed: of the folds, the candidates and the projection.
        shrink: share of the mean variance that is added before decorrelating.
    """

    blocks: tuple[str, ...] = ("2.1", "4.2")
    groups: tuple[tuple[str, ...], ...] = ()
    windows: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    together: str = "mean"
    scale: str = "std"
    balance: bool = False
    neighbourhood: int = 3
    pool: str = "avg"
    stride: int = 8
    area: int = 256
    shape: str = "square"
    centred: bool = False
    unit: bool = False
    bank: int = 2000
    candidates: int = 30_000
    folds: int = 5
    k: int = 1
    density: float = 0.0
    place: float = 0.0
    local: float = 0.0
    shrink: float = 0.05
    seed: int = 0

    @property
    def used(self) -> tuple[str, ...]:
        """Blocks of all groups."""
        return tuple(block for group in self.groups for block in group) or self.blocks

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the input for pictures of a size, multiples of 32."""
        if self.shape == "square":
            return self.area, self.area
        ratio = (width / height) ** 0.5
        return _multiple(self.area * ratio), _multiple(self.area / ratio)


def _multiple(pixels: float, of: int = 32) -> int:
    return max(of, round(pixels / of) * of)
