"""Near-copies: what is found on real pictures, and the false rejects of thresholds with copies.

    python -m benchmarks.near_copies ../shared/data/deeppcb ../shared/data/bsdata_pitting

Copies are made of good pictures of a set: saved again as JPEG, moved by up to three pixels, a
little brighter or darker, with the noise of a sensor, or all of that. A bank of small patches of
other pictures scores them once, or a bundle (`--bundle`), which takes longer. Then parts are split
at random, again and again: the copies of some calibrate, and one copy of each other part is judged
by the thresholds. `found` counts the parts that `takt export` finds; `known` the true ones; `each`
counts each copy as a picture of its own, as was done before.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from export.bundling.tested import score_of
from export.calibration.near_copies import LOOK, NEAR, detail, parts_alike
from export.calibration.parts import Parts
from export.pictures import list_pictures, read_picture
from service.core.bundles.bundle import load_bundle
from service.core.bundles.conformal import choose_alpha, conformal_threshold
from service.core.domain import Image
from service.core.engines.onnxruntime import OnnxRuntimeEngine
from service.core.errors import CalibrationError
from service.core.pictures.preprocess import preprocess

ALPHA = 0.01
COPIES = 5
CALIBRATING = 150
BANK = 30
"""Pictures whose patches are the bank; they are no parts."""

Change = Callable[[Image, np.random.Generator], Image]
Details = NDArray[np.float32]


def saved_again(picture: Image, _: np.random.Generator, quality: int) -> Image:
    """The picture through a JPEG file."""
    stored = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    file = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cast(Image, cv2.imdecode(file, cv2.IMREAD_COLOR_RGB))


def moved(picture: Image, draw: np.random.Generator, pixels: float) -> Image:
    """The picture moved by so many pixels at most, along both axes."""
    columns, rows = draw.uniform(-pixels, pixels, 2)
    where = np.array([[1, 0, columns], [0, 1, rows]], np.float32)
    size = picture.shape[1], picture.shape[0]
    return cast(Image, cv2.warpAffine(picture, where, size, borderMode=cv2.BORDER_REPLICATE))


def brighter(picture: Image, draw: np.random.Generator, share: float) -> Image:
    """The picture with up to so much more or less light."""
    factor = 1 + draw.uniform(-share, share)
    return cast(Image, np.clip(np.rint(picture * factor), 0, 255).astype(np.uint8))


def noisier(picture: Image, draw: np.random.Generator, levels: float) -> Image:
    """The picture with noise of so many levels."""
    noise = draw.normal(0, levels, picture.shape)
    return cast(Image, np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8))


def frame(picture: Image, draw: np.random.Generator) -> Image:
    """Another frame of a burst: moved, brighter, noisier and saved as JPEG."""
    seen = noisier(brighter(moved(picture, draw, 2), draw, 0.04), draw, 3)
    return saved_again(seen, draw, int(draw.choice([75, 85, 95])))


CHANGES: dict[str, Change] = {
    "JPEG 95": partial(saved_again, quality=95),
    "JPEG 75": partial(saved_again, quality=75),
    "JPEG 50": partial(saved_again, quality=50),
    "moved by 1 px": partial(moved, pixels=1),
    "moved by 3 px": partial(moved, pixels=3),
    "light ± 8 %": partial(brighter, share=0.08),
    "noise of 2": partial(noisier, levels=2),
    "noise of 5": partial(noisier, levels=5),
    "frame of a burst": frame,
}


def look(picture: Image) -> Details:
    """What tells near-copies, of a picture of any size."""
    return detail(preprocess(picture, LOOK))  # type: ignore[arg-type]


def distances(details: Details, others: Details) -> NDArray[np.float32]:
    """Distances of all pairs."""
    return np.sqrt(np.maximum(2 - 2 * details @ others.T, 0))  # type: ignore[no-any-return]


def tell_distances(pictures: list[Image]) -> None:
    """Print how far apart real pictures and their copies are, and how many parts are found."""
    details = np.stack([look(picture) for picture in pictures])
    apart = np.sort(distances(details, details)[np.triu_indices(len(details), 1)])
    nearest = ", ".join(f"{value:.3f}" for value in apart[[0, 1, 2, 5, 10, 50]])
    print(f"  {len(details)} good pictures: {parts_alike(list(details)).count} parts found")
    print(f"  distances of pairs, smallest first (1, 2, 3, 6, 11, 51): {nearest}")
    print(f"  median {np.median(apart):.3f}; near-copies are at most {NEAR} apart")
    draw = np.random.default_rng(0)
    chosen = draw.permutation(len(pictures))[:60]
    for name, change in CHANGES.items():
        own = [
            float(distances(details[[number]], look(change(pictures[number], draw))[None])[0, 0])
            for number in chosen
        ]
        within = np.mean(np.array(own) <= NEAR)
        print(f"  {name:<17} median {np.median(own):.3f}, most {max(own):.3f}, {within:.0%} found")


@dataclass(frozen=True)
class Scored:
    """Copies of parts: their scores [parts,copies] and details [parts,copies,n]."""

    score: NDArray[np.float32]
    detail: Details

    def splits(self, count: int, parts: int) -> Iterator[tuple[NDArray[np.intp], ...]]:
        """(parts that calibrate, the others), again and again."""
        for number in range(count):
            order = np.random.default_rng((1, number)).permutation(len(self.score))
            yield order[:parts], order[parts:]


class PatchBank:
    """Scores a picture by its patch that is farthest from those of other pictures.

    Args:
        pictures: whose patches are the bank.
    """

    def __init__(self, pictures: list[Image]) -> None:
        self._bank = np.concatenate([_patches(picture) for picture in pictures])
        self._squares = (self._bank**2).sum(1)

    def score(self, picture: Image) -> float:
        """The distance of the patch that is farthest from the bank."""
        patches = _patches(picture)
        squares = (patches**2).sum(1)[:, None] + self._squares - 2 * patches @ self._bank.T
        return float(np.sqrt(np.maximum(squares.min(1), 0)).max())


def _patches(picture: Image) -> NDArray[np.float32]:
    """The 8 x 8 pixels of each 64th of a grey thumbnail, float32 [64,64]."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    return small.reshape(8, 8, 8, 8).swapaxes(1, 2).reshape(64, 64)


def scored_copies(pictures: list[Image], copies: int, score: Callable[[Image], float]) -> Scored:
    """Copies of pictures, each by a random change, with their scores."""
    changes = [*CHANGES.values()]
    scores, details = [], []
    for number, picture in enumerate(tqdm(pictures, desc="scoring", unit="part", disable=None)):
        draw = np.random.default_rng((0, number))
        made = [changes[int(draw.integers(len(changes)))](picture, draw) for _ in range(copies)]
        scores.append([score(copy) for copy in made])
        details.append([look(copy) for copy in made])
    return Scored(np.array(scores, np.float32), np.array(details, np.float32))


def tell_false_rejects(scored: Scored, splits: int, copies: int) -> None:
    """Print the mean false rejects of thresholds from copies, by the way in which they count."""
    rates: dict[str, list[float]] = defaultdict(list)
    found_parts = []
    for calibrating, others in scored.splits(splits, CALIBRATING):
        scores = scored.score[calibrating, :copies].ravel()
        found = parts_alike([*scored.detail[calibrating, :copies].reshape(len(scores), -1)])
        found_parts.append(found.count)
        known = Parts.of(np.repeat(np.arange(len(calibrating)), copies).tolist())
        judged = scored.score[others, 0]
        for name, parts in (
            ("found", found), ("known", known), ("each", Parts.single(len(scores)))
        ):  # fmt: skip
            threshold = conformal_threshold(parts.highest(scores), ALPHA)
            rates[name].append(float(np.mean(judged > threshold)))
    print(
        f"  {CALIBRATING} parts x {copies} copies, {splits} splits, alpha {ALPHA:.0%}; "
        f"parts found: {min(found_parts)} to {max(found_parts)}"
    )
    for name, values in rates.items():
        spread = 100 * np.std(values) / np.sqrt(len(values))
        print(f"  {name:<6} rejected {100 * np.mean(values):.2f} % ± {spread:.2f}")


def tell_few_parts(scored: Scored, splits: int, parts: int, copies: int) -> None:
    """Print what few parts with many copies allow, and what was promised and happened before."""
    before: list[float] = []
    alphas: dict[str, int] = defaultdict(int)
    for calibrating, others in scored.splits(splits, parts):
        scores = scored.score[calibrating].ravel()
        found = parts_alike([*scored.detail[calibrating].reshape(len(scores), -1)])
        try:
            choose_alpha(ALPHA, found.count)
            alphas["1 % is taken"] += 1
        except CalibrationError as error:
            alphas[str(error)] += 1
        before.append(float(np.mean(scored.score[others, 0] > conformal_threshold(scores, ALPHA))))
    print(f"  {parts} parts x {copies} copies, {splits} splits:")
    for text, count in alphas.items():
        print(f"  {count} times: {text}")
    print(f"  each   rejected {100 * np.mean(before):.2f} % where 1 % was promised")


def main() -> None:
    """Print the figures of each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path, help="folders of the sets")
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--parts", type=int, default=250, help="parts of which copies are made")
    parser.add_argument("--bundle", type=Path, help="scores the copies instead of a bank")
    parser.add_argument("--distances-only", action="store_true", help="score nothing")
    given = parser.parse_args()
    for folder in given.sets:
        paths = [*list_pictures(folder / "train/good"), *list_pictures(folder / "test/good")]
        pictures = [read_picture(path) for path in paths]
        print(folder.name)
        tell_distances(pictures)
        if given.distances_only:
            continue
        order = np.random.default_rng(2).permutation(len(pictures))
        bank = PatchBank([pictures[number] for number in order[:BANK]])
        score = bank.score if given.bundle is None else scorer(given.bundle)
        chosen = [pictures[number] for number in order[BANK:][: given.parts]]
        scored = scored_copies(chosen, COPIES, score)
        tell_false_rejects(scored, given.splits, COPIES)
        few = scored_copies(chosen, 20, score)
        tell_few_parts(few, given.splits, 10, 20)


def scorer(bundle: Path) -> Callable[[Image], float]:
    """The score of a bundle's graph."""
    loaded = load_bundle(bundle)
    engine = OnnxRuntimeEngine.open(loaded.model_path, threads=1)
    return partial(score_of, engine, loaded.manifest)


if __name__ == "__main__":
    main()
