"""What each choice of a bank gives, on sets of pictures: the rows of docs/fitting-patchcore.md.

    python -m benchmarks.patchcore.choices DATA/bsdata_pitting --scratch /tmp/blocks

A row stands for one way to turn the encoder's blocks into a map. Banks are made in five folds as
`takt fit patchcore` makes them; thresholds are at 5 % of the out-of-fold scores of good pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F

from benchmarks.patchcore.blocks import Pictures, cached, pictures_of
from models.fit.patchcore.features import CANDIDATES, SPREAD_FLOOR
from models.fit.patchcore.folds import FOLDS, MEASURED_SHARE
from models.patchcore.bank import Bank
from models.patchcore.coreset import greedy_k_centre
from service.bundles.calibration.conformal import conformal_threshold

ALPHA = 0.05
BLOCK_2, BLOCK_4, BLOCK_7, BLOCK_10 = "1.1", "2.1", "3.2", "4.2"
POWERS = (8, 10, 12, 16, 32)


@dataclass(frozen=True)
class Choice:
    """One way from blocks to a map.

    Attributes:
        banks: blocks that share a bank; of blocks with one, the coarser is enlarged.
        vectors: vectors of each bank.
        neighbourhood: side in cells, each block's own, of the square that is averaged.
        side: side of the input in pixels.
        highest: whether the map is the highest of the banks' maps instead of their mean.
        smoothing: side in cells of the square over which the map is averaged.
    """

    banks: tuple[tuple[str, ...], ...]
    vectors: tuple[int, ...]
    neighbourhood: int = 1
    side: int = 320
    highest: bool = False
    smoothing: int = 1


EACH = ((BLOCK_4,), (BLOCK_10,))
CHOICES: Mapping[str, Choice] = {
    "one bank, averaged over 3 x 3": Choice(((BLOCK_4, BLOCK_10),), (2000,), neighbourhood=3),
    "one bank": Choice(((BLOCK_4, BLOCK_10),), (2000,)),
    "block 4": Choice(((BLOCK_4,),), (2000,)),
    "block 7": Choice(((BLOCK_7,),), (2000,)),
    "block 10": Choice(((BLOCK_10,),), (2000,)),
    "the default": Choice(EACH, (789, 2211)),
    "1,000 each": Choice(EACH, (1000, 1000)),
    "2,000 each": Choice(EACH, (2000, 2000)),
    "the highest instead of the mean": Choice(EACH, (789, 2211), highest=True),
    "the map averaged over 3 x 3": Choice(EACH, (789, 2211), smoothing=3),
    "256 x 256": Choice(EACH, (789, 2211), side=256),
    "block 7 too": Choice(((BLOCK_4,), (BLOCK_7,), (BLOCK_10,)), (789, 1500, 2211)),
    "block 2 too": Choice(((BLOCK_2,), (BLOCK_4,), (BLOCK_10,)), (500, 789, 2211)),
}


@dataclass(frozen=True)
class Maps:
    """Maps of a set's pictures.

    Attributes:
        good: of the pictures that were fitted on, each by the banks without its own fold, [n,h,w].
        tested: of the tested pictures, by the whole banks, [m,h,w].
    """

    good: Tensor
    tested: Tensor


def maps_of(choice: Choice, outputs: Mapping[str, np.ndarray], good: int, seed: int) -> Maps:
    """The maps of all pictures: the good ones first, in the outputs as in the answer."""
    layers = []
    for blocks, vectors in zip(choice.banks, choice.vectors, strict=True):
        features = _features([outputs[block] for block in blocks], choice.neighbourhood)
        layers.append(_distances(features, good, vectors, seed))
    size = max((layer.shape[-2:] for layer in layers), key=lambda shape: shape[0])
    enlarged = torch.stack(
        [
            F.interpolate(layer[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
            for layer in layers
        ]
    )
    maps = enlarged.amax(0) if choice.highest else enlarged.mean(0)
    side = choice.smoothing
    maps = F.avg_pool2d(maps[:, None], side, 1, side // 2, count_include_pad=False)[:, 0]
    return Maps(maps[:good], maps[good:])


def _features(blocks: Sequence[np.ndarray], side: int) -> Tensor:
    """Blocks' outputs [N,C,h,w] joined on the grid of the first."""
    grids = [
        F.avg_pool2d(
            torch.from_numpy(np.array(block)).float(),
            side,
            1,
            side // 2,
            count_include_pad=False,
        )
        for block in blocks
    ]
    size = grids[0].shape[-2:]
    return torch.cat(
        [F.interpolate(grid, size=size, mode="bilinear", align_corners=False) for grid in grids], 1
    )


def _distances(features: Tensor, good: int, vectors: int, seed: int) -> Tensor:
    """Distances [N,h,w] of features [N,C,h,w], the good ones without their own fold."""
    count, channels, height, width = features.shape
    draw = np.random.default_rng(seed)
    order = draw.permutation(good)
    measured = features[order[: int(np.ceil(MEASURED_SHARE * good))]].transpose(0, 1).flatten(1)
    bank = Bank(1, channels)
    std = measured.std(1)
    bank.mean, bank.std = measured.mean(1), std.clamp_min(SPREAD_FLOOR * std.median())
    cells = [bank.standardize(picture.flatten(1).T) for picture in features]
    each = max(1, CANDIDATES // good)
    chosen = []
    for fold in range(FOLDS):
        among = torch.cat(
            [cells[n][draw.permutation(len(cells[n]))[:each]] for n in order[fold::FOLDS]]
        )
        chosen.append(among[greedy_k_centre(among, vectors // FOLDS, seed=seed)])
    found = torch.empty(count, height * width)
    for fold in range(FOLDS):
        others = torch.cat([one for number, one in enumerate(chosen) if number != fold])
        for picture in order[fold::FOLDS]:
            found[picture] = bank.distance(cells[picture], others)
    for picture in range(good, count):
        found[picture] = bank.distance(cells[picture], torch.cat(chosen))
    return found.view(count, height, width)


def row(name: str, pictures: Pictures, scratch: Path, seeds: int) -> list[str]:
    """A choice's figures by power: image AUROC, good pictures rejected and defects found."""
    choice = CHOICES[name]
    used = [block for blocks in choice.banks for block in blocks]
    outputs = cached(pictures, (choice.side, choice.side), used, scratch)
    defective = np.array([sample.defect is not None for sample in pictures.tested])
    every = [maps_of(choice, outputs, len(pictures.good), seed) for seed in range(seeds)]
    texts = []
    for power in POWERS:
        aurocs, rejected, found = [], [], []
        for maps in every:
            good, tested = (
                one.flatten(1).double().pow(power).mean(1).pow(1 / power).float().numpy()
                for one in (maps.good, maps.tested)
            )
            above = tested > conformal_threshold(good, ALPHA)
            aurocs.append(roc_auc_score(defective, tested))
            rejected.append((above & ~defective).sum())
            found.append((above & defective).sum())
        texts.append(
            f"{np.mean(aurocs):.3f} ± {np.std(aurocs):.3f}, "
            f"{np.mean(rejected):.0f} / {np.mean(found):.0f}"
        )
    return texts


@torch.no_grad()
def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path, help="folders of the sets")
    parser.add_argument("--scratch", type=Path, required=True, help="folder for blocks' outputs")
    parser.add_argument("--only", nargs="*", choices=[*CHOICES], default=[*CHOICES])
    parser.add_argument("--every", type=int, default=1, help="take each n-th picture")
    parser.add_argument("--seeds", type=int, default=4)
    given = parser.parse_args()
    for root in given.sets:
        pictures = pictures_of(root, given.every)
        print(f"{root.name}: AUROC ± over {given.seeds} seeds, good rejected / defects found")
        print("| choice | " + " | ".join(f"power {power}" for power in POWERS) + " |")
        for name in given.only:
            print(f"| {name} | {' | '.join(row(name, pictures, given.scratch, given.seeds))} |")


if __name__ == "__main__":
    main()
