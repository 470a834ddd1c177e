"""The model: fitted to known features of good pictures, and asked about the others.

Nothing else here touches it.

The fit's own code runs, `PictureFeatures` and `fill_banks` as `fit_patchcore` calls them, with an
encoder that knows its answers: each picture is black but for its number, and the encoder gives the
features of the picture of that number. So neither fit nor model is told apart from the real ones,
but for turned pictures: the real fit sees those of up to 50 good ones besides, if they look alike
(`few.py`).

What takes long are the distances to the banks, which settings of what comes after them share.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.corpus.features import Known
from benchmarks.corpus.figures import ALPHAS
from benchmarks.corpus.sets import CorpusError
from takt.core.bundles.conformal import Alpha, needed_for
from takt.core.bundles.thresholds import ThresholdPair
from takt_export.calibration.cross_conformal import OutOfFoldScores, cross_conformal
from takt_models.checkpoints.out_of_fold import OutOfFold
from takt_models.fit.device import Compute
from takt_models.fit.patchcore.encoders import PatchCoreEncoder, load_into
from takt_models.fit.patchcore.features import PictureFeatures
from takt_models.fit.patchcore.fit import fill_banks, set_places
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.fit.pictures import as_image
from takt_models.patchcore.detector import PatchCore

MARK = (77, 177, 27)
"""Levels of the pixel beside the number and of the last one; a changed picture lacks one."""

HANDED_ON = frozenset({"seed", "bank_size"})
"""Options that have their place in `fitted`; others go to whatever takes their name."""


@dataclass(frozen=True)
class Distances:
    """The banks of a fit, and how far a set's pictures are from them.

    Attributes:
        out_of_fold: of the good pictures, each to banks that have not seen it.
        seen: of the good pictures to the banks that have seen them, the mean, [L,h,w].
        tested: of the tested pictures, [m,L,h,w].
        fit_s: processor seconds of the fit, without the encoder's.
        banks: tensors of the model's banks, by name.
    """

    out_of_fold: OutOfFold
    seen: Tensor
    tested: Tensor
    fit_s: float
    banks: Mapping[str, Tensor]


@dataclass(frozen=True)
class Answers:
    """What a fitted model says of a set's pictures.

    Attributes:
        good: scores and maps of the good parts, out of fold.
        limits: thresholds at each of `ALPHAS` that the number of good parts allows.
        scores: scores of the tested pictures, [m].
        maps: their maps, [m,h,w].
    """

    good: OutOfFoldScores
    limits: Mapping[float, ThresholdPair]
    scores: NDArray[np.float32]
    maps: NDArray[np.float32]

    @property
    def peaks(self) -> NDArray[np.float32]:
        """The highest values of the tested pictures' maps, [m]."""
        highest: NDArray[np.float32] = self.maps.max((1, 2))
        return highest


@torch.no_grad()
def fitted(
    known: Known,
    good: Sequence[int],
    part: Sequence[int],
    tested: Sequence[int],
    encoder: PatchCoreEncoder,
    options: PatchCoreOptions,
    further: Mapping[str, Any] | None = None,
) -> tuple[PatchCore, Distances]:
    """Fits a model to some pictures, and asks its banks about others.

    Args:
        known: features of all pictures, and of their moved copies.
        good: numbers of the pictures to fit on.
        part: number of the part that each of them shows.
        tested: numbers of the pictures to ask about.
        encoder: settings of the model.
        options: options of the fit, with its seed.
        further: what `PictureFeatures` takes besides.

    Returns:
        The model, whose encoder knows these pictures only, and the distances.

    Raises:
        CorpusError: an option is new, and nothing here takes it.
        FitError: the pictures do not do.
    """
    given = {**_further(options), **(further or {})}
    compute = Compute.choose("cpu", bf16=False)
    model = PatchCore(encoder.config).eval()
    shown = [*good, *tested]
    layers = [
        np.concatenate([layer[shown], copies[[*good]]])
        for layer, copies in zip(known.layers, known.copies, strict=True)
    ]
    numbers = range(len(layers[0]))
    model.encoder = KnownEncoder(model, layers, numbers)  # type: ignore[assignment]
    height, width = encoder.config.input_size

    def load(path: Path) -> NDArray[np.uint8]:
        return numbered(int(path.name), width, height)

    def move(index: int, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return numbered(len(shown) + index, width, height)

    started_s = time.process_time()
    features = PictureFeatures(
        [Path(str(turn)) for turn in range(len(good))],
        load,
        model,
        compute,
        options.seed,
        **{name: value for name, value in given.items() if name in _names(PictureFeatures)},
    )
    features.read(range(len(features)))
    features.read_moved(move)
    filled = fill_banks(
        features,
        options.bank_size,
        part,
        seed=options.seed,
        quiet=True,
        **{name: value for name, value in given.items() if name in _names(fill_banks)},
    )
    fit_s = time.process_time() - started_s
    found = [
        filled.model.distances(filled.model.embed(filled.model.normalize(image)))[:, 0]
        for image in (
            as_image(numbered(len(good) + turn, width, height), compute.device)
            for turn in range(len(tested))
        )
    ]
    banks = filled.model.memory.state_dict()
    return filled.model, Distances(
        filled.out_of_fold, filled.seen, torch.stack(found), fit_s, banks
    )


@torch.no_grad()
def known_model(
    distances: Distances,
    layers: Sequence[NDArray[np.float16]],
    shown: Sequence[int],
    encoder: PatchCoreEncoder,
) -> PatchCore:
    """The model of these distances, whose encoder knows some pictures only.

    Args:
        distances: of its fit.
        layers: features [N,C,h,w] of all pictures, by layer.
        shown: numbers among them of the pictures that come as `numbered` 0, 1, ...
        encoder: settings of the model.
    """
    sizes = tuple(
        len(distances.banks[f"{layer}.vectors"]) for layer in range(len(encoder.config.layers))
    )
    model = PatchCore(replace(encoder.config, bank_sizes=sizes)).eval()
    model.memory.load_state_dict(distances.banks)
    set_places(model, distances.out_of_fold.places, distances.seen)
    model.encoder = KnownEncoder(model, layers, shown)  # type: ignore[assignment]
    return model


@torch.no_grad()
def answered(
    distances: Distances, encoder: PatchCoreEncoder, new: NDArray[np.bool_] | None = None
) -> Answers:
    """What the model of these distances says, and its thresholds.

    Args:
        distances: of its fit.
        encoder: settings of the model.
        new: cells of the tested pictures' maps that its locator takes for new content, [m,h,w].
    """
    model = PatchCore(encoder.config).eval()
    set_places(model, distances.out_of_fold.places, distances.seen)
    return answers_of(model, distances.out_of_fold, distances.tested, new)


def answers_of(
    model: PatchCore,
    out_of_fold: OutOfFold,
    tested: Tensor,
    new: NDArray[np.bool_] | None = None,
) -> Answers:
    """What a model says, by its places alone.

    Args:
        model: that knows what is usual at each place.
        out_of_fold: good pictures' distances to banks that have not seen them.
        tested: the tested pictures' distances to its banks, [m,L,h,w].
        new: cells of their maps that show what came from beyond the border, [m,h,w]; none if None.
    """
    values = out_of_fold.maps.flatten(1)
    good = OutOfFoldScores(
        digests=tuple(map(str, out_of_fold.pictures)),
        score=model.score_of(values).numpy(),
        peak=values.amax(1).numpy(),
        map_median=float(values.median()),
        folds=out_of_fold.folds,
        cells=values.numpy(),
        score_of=lambda cells: float(model.score_of(torch.from_numpy(cells)[None])),
    )
    maps = model.fuse(tested.transpose(0, 1))
    if new is not None:
        maps = torch.where(torch.from_numpy(new), maps.clamp_max(0), maps)
    return Answers(
        good=good,
        limits={alpha: limits_of(good, alpha) for alpha in allowed(len(good.score))},
        scores=model.score_of(maps.flatten(1)).numpy(),
        maps=maps.numpy(),
    )


def with_encoder(model: PatchCore, encoder: PatchCoreEncoder) -> PatchCore:
    """A fitted model that sees pictures again; it shares its banks."""
    real = PatchCore(model.config).encoder
    load_into(real, encoder)
    model.encoder = real
    return model.eval()


class KnownEncoder(nn.Module):
    """An encoder that gives the features of the picture whose number its input shows.

    Args:
        model: whose encoder it becomes.
        layers: features [N,C,h,w] of the pictures, by layer.
        shown: numbers among them of the pictures that come as 0, 1, ...
    """

    def __init__(
        self, model: PatchCore, layers: Sequence[NDArray[np.float16]], shown: Sequence[int]
    ) -> None:
        super().__init__()
        self._shown = np.array(shown)
        self.channels, self.strides = model.encoder.channels, model.encoder.strides
        self._known = layers
        # What the model makes of black and of white tells how to get the levels back.
        self._black = model.normalize(torch.zeros(1, 3, 1, 1)).view(3)
        self._white = model.normalize(torch.ones(1, 3, 1, 1)).view(3)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalised [N,3,H,W] of `numbered` pictures -> features [N,C,h,w] of each layer.

        Raises:
            CorpusError: the input is another picture.
        """
        number, *marks = (self._levels(x, *place) for place in ((0, 0), (0, 1), (-1, -1)))
        if any(mark != list(MARK) for levels in marks for mark in levels):
            raise CorpusError("the fit changes its pictures: their features are not known")
        numbers = self._shown[[red + 256 * green + 65536 * blue for red, green, blue in number]]
        return [torch.from_numpy(layer[numbers].astype(np.float32)) for layer in self._known]

    def _levels(self, x: Tensor, row: int, column: int) -> list[list[int]]:
        shares = (x[:, :, row, column] - self._black) / (self._white - self._black)
        levels: list[list[int]] = (255 * shares).round().long().tolist()
        return levels


def numbered(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """A black picture [H,W,3] that shows a number."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[0, 0] = number % 256, number // 256 % 256, number // 65536
    picture[0, 1] = picture[-1, -1] = MARK
    return picture


def allowed(count: int) -> tuple[float, ...]:
    """Those of `ALPHAS` for which so many good parts are enough."""
    return tuple(alpha for alpha in ALPHAS if count >= needed_for(alpha))


def limits_of(good: OutOfFoldScores, alpha: float) -> ThresholdPair:
    """The thresholds that an export would take from out-of-fold scores."""
    found = cross_conformal(good, Alpha(alpha))
    return ThresholdPair(image=found.image, pixel=found.pixel)


def _further(options: PatchCoreOptions) -> dict[str, Any]:
    further = {name: value for name, value in asdict(options).items() if name not in HANDED_ON}
    lost = set(further) - _names(fill_banks) - _names(PictureFeatures)
    if lost:
        raise CorpusError(
            f"nothing here hands on the options {', '.join(sorted(lost))}: let "
            "benchmarks/corpus/fitted.py do what takt_models/fit/patchcore/fit.py does with them"
        )
    return further


def _names(taker: Any) -> set[str]:
    if isinstance(taker, type):
        return {one.name for one in fields(taker)}
    return set(inspect.signature(taker).parameters)
