"""False rejects of cross-conformal thresholds on real pictures: many fits, each on other pictures.

    python -m benchmarks.false_rejects ../shared/data/deeppcb ../shared/data/bsdata_pitting

All good pictures of a set, of `train/good` and `test/good`, are split at random, again and again: a
PatchCore is fitted anew to some of them, as `takt fit patchcore` does, and the others are judged by
the thresholds that `takt export onnx` would take. The encoder runs once for each picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from export.bundling.checkpoint_source import preprocess_of
from export.calibration.cross_conformal import proven_rate
from export.pictures import list_pictures, read_fit_input
from models.fit.device import Compute
from models.fit.patchcore.encoders import encoder_of, load_into
from models.fit.patchcore.features import PictureFeatures
from models.fit.patchcore.fit import fill_banks
from models.patchcore.config import PatchCoreConfig
from models.patchcore.detector import PatchCore
from service.bundles.calibration.conformal import conformal_threshold

ALPHAS = (0.01, 0.02, 0.05)
FITTED = 200
MOST_JUDGED = 100


@dataclass
class KnownFeatures(PictureFeatures):
    """Features that are there already: a picture's path is its number among them."""

    known: Sequence[list[Tensor]] = field(default_factory=list)

    def _embed(self, index: int) -> list[Tensor]:
        return [layer.float() for layer in self.known[int(self.paths[index].name)]]


@dataclass(frozen=True)
class Rates:
    """Shares of the judged good pictures that are rejected, over all splits.

    Attributes:
        alpha: rate that the thresholds aim at.
        proven: highest rate that is proven.
        score: share whose score exceeds its threshold, in each split.
        peak: share that shows a region, in each split.
    """

    alpha: float
    proven: float
    score: tuple[float, ...]
    peak: tuple[float, ...]

    def text(self) -> str:
        """One row of the table."""
        spread = f"{100 * np.min(self.score):.1f} to {100 * np.max(self.score):.1f}"
        return (
            f"| {100 * self.alpha:g} | {100 * np.mean(self.score):.2f} | {spread} "
            f"| {100 * np.mean(self.peak):.2f} | {100 * self.proven:.1f} |"
        )


def known_features(folder: Path) -> tuple[PatchCore, list[list[Tensor]]]:
    """A model without banks, and the features of all good pictures of a set by layer, float16."""
    encoder = encoder_of("lite0")
    model = PatchCore(encoder.config).eval()
    load_into(model.encoder, encoder)
    spec = preprocess_of(encoder.recipe)
    paths = [*list_pictures(folder / "train/good"), *list_pictures(folder / "test/good")]
    features = PictureFeatures(
        paths,
        lambda path: read_fit_input(path, spec),
        model,
        Compute.choose("cpu", bf16=False),
        room=0,
    )
    return model, [
        [layer.half() for layer in features._embed(index)] for index in range(len(paths))
    ]


def rates(
    model: PatchCore, known: Sequence[list[Tensor]], splits: int, bank_size: int, first: int = 0
) -> list[Rates]:
    """The rates at each α over splits from number `first` on."""
    found: dict[float, list[tuple[float, float]]] = {alpha: [] for alpha in ALPHAS}
    counts = set()
    for split in range(first, first + splits):
        order = np.random.default_rng(split).permutation(len(known))
        features = KnownFeatures(
            [Path(str(number)) for number in order[:FITTED]],
            _never_read,
            _without_banks(model),
            Compute.choose("cpu", bf16=False),
            split,
            known=known,
        )
        features.read(range(len(features)))
        filled = fill_banks(features, bank_size, seed=split, quiet=True)
        scored = filled.out_of_fold.maps.flatten(1)
        counts.add((len(scored), filled.out_of_fold.folds))
        with torch.no_grad():
            judged = torch.cat(
                [_map(filled.model, known[number]) for number in order[FITTED:][:MOST_JUDGED]]
            ).flatten(1)
        score_of = filled.model.score_of
        for alpha in ALPHAS:
            image = conformal_threshold(score_of(scored).numpy(), alpha)
            pixel = conformal_threshold(scored.amax(1).numpy(), alpha)
            found[alpha].append(
                (
                    float((score_of(judged).double() > image).double().mean()),
                    float((judged.amax(1).double() > pixel).double().mean()),
                )
            )
    return [
        Rates(
            alpha,
            max(proven_rate(alpha, count, folds) for count, folds in counts),
            *map(tuple, zip(*found[alpha], strict=True)),
        )
        for alpha in ALPHAS
    ]


def _without_banks(model: PatchCore) -> PatchCore:
    fresh = PatchCore(PatchCoreConfig.from_dict(model.config.as_dict()))
    fresh.encoder = model.encoder
    return fresh.eval()


def _map(model: PatchCore, layers: Sequence[Tensor]) -> Tensor:
    """The map [1,h,w] of a picture by its features."""
    banks = zip(model.banks, layers, strict=True)
    return model.fuse([bank(raw.float()[None]) for bank, raw in banks])


def _never_read(path: Path) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    raise AssertionError(f"{path} is read, but its features are known")


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path, help="folders of the sets")
    parser.add_argument("--splits", type=int, default=50)
    parser.add_argument("--bank-size", type=int, default=3000)
    given = parser.parse_args()
    for folder in given.sets:
        model, known = known_features(folder)
        print(f"{folder.name}: {len(known)} good pictures, {FITTED} of them fitted on")
        print("| α, % | rejected, % | in single fits | a region, % | proven, % |")
        for row in rates(model, known, given.splits, given.bank_size):
            print(row.text(), flush=True)


if __name__ == "__main__":
    main()
