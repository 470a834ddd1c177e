"""One fit of many: a bank fitted to some of a set's good pictures, and what it says of others.

The fit's own code runs, `PictureFeatures` and `fill_banks` as `fit_patchcore` calls them, on
features that are known. Scores are kept, a line of JSON for each fit.
"""

from __future__ import annotations

import ast
import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import takt_models
from benchmarks.corpus.features import known_features
from benchmarks.corpus.settings import Setting
from takt.core.bundles.witnesses import anomalous
from takt_export.calibration.cross_conformal import joint_thresholds
from takt_export.calibration.parts import Parts
from takt_export.pictures import list_pictures
from takt_models.fit.device import Compute
from takt_models.fit.patchcore.encoders import PatchCoreEncoder
from takt_models.fit.patchcore.features import CANDIDATES, Move, PictureFeatures
from takt_models.fit.patchcore.fit import Filled, fill_banks
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.patchcore.detector import PatchCore

OUT = Path("out/false-rejects")
MOST_FITTED, MOST_JUDGED, MOST_DEFECTS = 200, 100, 100
OF_HEADS = frozenset({"cells.py", "directions.py", "head.py", "looked.py"})
"""Modules of what is taught besides, which says nothing of a bank's scores."""

DEFECTS_A_SPLIT = 25
"""Defects that are judged in one split; splits take turns with them, which saves time."""


@dataclass(frozen=True)
class Task:
    """A set, and how it is fitted.

    Attributes:
        root: folder of the set.
        bank_size: vectors of the bank.
        candidates: most cells among which they are chosen.
        size: side of the input; as `takt fit patchcore` takes it if None.
        out: folder of what is kept.
    """

    root: Path
    bank_size: int = PatchCoreOptions().bank_size
    candidates: int = CANDIDATES
    size: int | None = None
    out: Path = OUT


@dataclass(frozen=True)
class KnownSet:
    """A set whose features are known: of good pictures, then of defective ones.

    Attributes:
        encoder: shapes the model.
        layers: float16 [N,C,h,w] of all pictures, by layer.
        copies: the same of their moved copies.
        good: number of good pictures.
    """

    encoder: PatchCoreEncoder
    layers: tuple[NDArray[np.float16], ...]
    copies: tuple[NDArray[np.float16], ...]
    good: int

    @property
    def fitted(self) -> int:
        """Good pictures that a split fits to: all but the judged ones, or half of few."""
        return min(MOST_FITTED, max(self.good - MOST_JUDGED, self.good // 2))

    def features(self, picture: int) -> list[Tensor]:
        """Features [T,C] of a picture's cells, by layer."""
        return _cells([layer[picture] for layer in self.layers])

    def copy_features(self, picture: int) -> list[Tensor]:
        """The same of its moved copy."""
        return _cells([layer[picture] for layer in self.copies])

    def maps(self, model: PatchCore, pictures: Iterable[int]) -> Tensor:
        """The maps [n,h,w] of pictures by a model."""
        maps = [
            model.fuse(model.distances([layer[None] for layer in self.features(picture)]))
            for picture in pictures
        ]
        return torch.cat([torch.zeros(0, *model.map_size), *maps])


def _cells(layers: Iterable[NDArray[np.float16]]) -> list[Tensor]:
    known = (torch.from_numpy(layer.astype(np.float32)) for layer in layers)
    return [layer.flatten(1).T.contiguous() for layer in known]


@dataclass
class _KnownFeatures(PictureFeatures):
    """Features that are there already: a picture's path is its number in the set."""

    known: KnownSet | None = field(default=None)

    def _embed(self, index: int) -> list[Tensor]:
        assert self.known is not None
        return self.known.features(int(self.paths[index].name))

    def _embed_moved(self, index: int, move: Move) -> list[Tensor]:
        assert self.known is not None
        return self.known.copy_features(int(self.paths[index].name))


@dataclass(frozen=True)
class Split:
    """Scores and peaks, each as [scores, peaks], of one fit.

    Attributes:
        number: of the split.
        good: of the fitted pictures, out of fold.
        judged: of good pictures that the fit has not seen.
        defects: of defective ones.
        seconds: that it took.
    """

    number: int
    good: list[list[float]]
    judged: list[list[float]]
    defects: list[list[float]]
    seconds: float

    def verdicts(self, alpha: float) -> tuple[NDArray[np.bool_], ...]:
        """Which of the fitted, the judged and the defective pictures are anomalous at α."""
        every = [np.array(both, np.float32) for both in (self.good, self.judged, self.defects)]
        limits = joint_thresholds(every[0][0], every[0][1], alpha)
        return tuple(anomalous(limits, both[0], both[1]) for both in every)

    def rates(self, alpha: float) -> tuple[float, float]:
        """Shares of the judged good pictures and of the defects that are anomalous at α."""
        _, rejected, found = self.verdicts(alpha)
        return float(rejected.mean()), float(found.mean()) if found.size else float("nan")


class Kept:
    """The splits of a task that were fitted before, a line of JSON each.

    Args:
        path: the file, which need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.is_file() else []
        # A run that was cut off leaves half a line.
        whole = [line for line in lines if line.endswith("}")]
        self._splits = {one.number: one for one in (Split(**json.loads(line)) for line in whole)}

    def splits(self, count: int) -> list[Split]:
        """Those of the first `count` that are there."""
        return [self._splits[number] for number in range(count) if number in self._splits]

    def missing(self, count: int) -> list[int]:
        """The numbers of the others."""
        return [number for number in range(count) if number not in self._splits]

    def add(self, split: Split) -> None:
        """Keeps a split."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            # What was cut off ends here.
            file.write("\n" + json.dumps(asdict(split)) + "\n")
        self._splits[split.number] = split


@cache
def known_set(task: Task) -> KnownSet:
    """The features of a set; what is not on disk yet is computed.

    Raises:
        CorpusError: a picture is turned by its EXIF data.
        PicturesError: a picture cannot be read, or there is none.
    """
    test = task.root / "test"
    kinds = sorted(one for one in test.iterdir() if one.is_dir() and one.name != "good")
    defects = [path for kind in kinds for path in list_pictures(kind)]
    most = min(len(defects), MOST_DEFECTS)
    spread = [defects[number * len(defects) // most] for number in range(most)]
    good, fitted_on = good_pictures(task.root), list_pictures(task.root / "train" / "good")
    setting = Setting({} if task.size is None else {"size": str(task.size)})
    encoder = setting.encoder_for(fitted_on, Compute.choose("cpu", bf16=False))
    known = known_features([*good, *spread], encoder, task.out)
    return KnownSet(encoder, known.layers, known.copies, len(good))


@torch.no_grad()
def fit_and_judge(known: KnownSet, task: Task, number: int) -> Split:
    """Fits to one split of a set's good pictures, and judges others and the defects."""
    started_s = time.perf_counter()
    order = np.random.default_rng(number).permutation(known.good).tolist()
    filled = fit_known(known, task, order[: known.fitted], number)
    defects = np.random.default_rng(number // _turns(known)).permutation(
        np.arange(known.good, len(known.layers[0]))
    )[number % _turns(known) :: _turns(known)]
    judged = order[known.fitted :][:MOST_JUDGED]
    maps = (
        filled.out_of_fold.maps,
        known.maps(filled.model, judged),
        known.maps(filled.model, defects.tolist()),
    )
    seconds = time.perf_counter() - started_s
    good, of_judged, found = (witnesses_of(filled.model, one) for one in maps)
    return Split(number, good, of_judged, found, seconds)


def fit_known(
    known: KnownSet,
    task: Task,
    fitted: Sequence[int],
    seed: int,
    lots: Sequence[str] | None = None,
) -> Filled:
    """Fits a bank to some of a set's pictures, with lots held apart if their names are given."""
    features = _KnownFeatures(
        [Path(str(picture)) for picture in fitted],
        _never_read,
        PatchCore(known.encoder.config).eval(),
        Compute.choose("cpu", bf16=False),
        seed,
        most_candidates=task.candidates,
        known=known,
    )
    features.read(range(len(features)))
    features.read_moved()
    apart = None if lots is None else Parts.of(lots).number
    return fill_banks(features, task.bank_size, apart=apart, seed=seed, quiet=True)


def good_pictures(root: Path) -> list[Path]:
    """The good pictures of a set, in the order of `KnownSet`."""
    return [*list_pictures(root / "train" / "good"), *list_pictures(root / "test" / "good")]


def kept_of(task: Task, known: KnownSet) -> Kept:
    """What is kept of a task; other settings and other code have a file of their own."""
    height, width = known.encoder.config.input_size
    key = f"{width}x{height}-{task.bank_size}-{task.candidates}-{code_digest()}"
    return Kept(task.out / f"{task.root.name}-{key}.jsonl")


def _turns(known: KnownSet) -> int:
    """Splits after which each defect was judged once."""
    return max(1, round((len(known.layers[0]) - known.good) / DEFECTS_A_SPLIT))


def witnesses_of(model: PatchCore, maps: Tensor) -> list[list[float]]:
    """Scores and peaks [2,n] of maps [n,h,w]."""
    values = maps.flatten(1)
    return [model.score_of(values).tolist(), values.amax(1).tolist()]


def _never_read(path: Path) -> NDArray[np.uint8]:
    raise AssertionError(f"{path} is read, but its features are known")


@cache
def code_digest() -> str:
    """A digest of the code that makes scores of features, without its docstrings."""
    digest = hashlib.sha256()
    root = Path(takt_models.__file__).parent
    for path in sorted([*root.glob("patchcore/*.py"), *root.glob("fit/patchcore/*.py")]):
        if path.name in OF_HEADS:
            continue
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:8]


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
