"""The pictures of a set as a server sees them: their facts, and the score of a model.

Facts are made by the code that serves. The model is a PatchCore of Lite0 at 256², fitted as
`takt fit patchcore` fits, but with a small bank: twice, to one half of the good pictures each, so
that every good picture is scored by a model that was fitted to others. Defects take turns. What was
seen is kept in `out/drift`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import takt.core.pictures.facts as facts_module
import takt.core.pictures.pose as pose_module
from benchmarks.drift import changes as changes_module
from benchmarks.drift.changes import CHANGES, jittered
from takt.core.bundles.manifest import Preprocess
from takt.core.domain import FactName, FactVector, Image, RawPicture
from takt.core.pictures.facts import (
    FACT_NAMES,
    Look,
    PictureFacts,
    look_of,
    picture_facts,
    with_answer,
)
from takt.core.pictures.prepare import prepare
from takt_export.bundling.checkpoint_source import preprocess_of
from takt_export.calibration.poses import taught_poses
from takt_export.pictures import MAX_PIXELS, list_pictures, read_picture
from takt_models.fit.device import Compute
from takt_models.fit.patchcore.encoders import encoder_of
from takt_models.fit.patchcore.fit import fit_patchcore
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.fit.pictures import as_image
from takt_models.patchcore.detector import PatchCore

GOOD, DEFECT = "good", "defect"
OUT = Path("out/drift")
JITTERS = 3
"""Versions of each good picture without a change; there is one with each change."""

DEFECT_JITTERS, MOST_DEFECTS, MOST_GOOD = 2, 100, 200
PLACE: tuple[FactName, ...] = ("shift_x", "shift_y", "turn", "size", "match")
_PLACE_AT = [FACT_NAMES.index(name) for name in PLACE]
SIDE, BANK = 256, 1000
_BATCH = 8


@dataclass(frozen=True)
class SeenPictures:
    """Pictures of a set, each several times.

    Attributes:
        kind: `good`, `defect` or the name of a change [n].
        own: facts that need no other picture [n, 10].
        small: small grey pictures, uint8 [n, 64, 64].
        place: facts of `PLACE`, as a map tells them that has not seen the picture [n, 5].
        score: of the model [n].
    """

    kind: NDArray[np.str_]
    own: NDArray[np.float64]
    small: NDArray[np.uint8]
    place: NDArray[np.float32]
    score: NDArray[np.float64]

    def of(self, kind: str) -> NDArray[np.int64]:
        """The numbers of the pictures of a kind."""
        return np.flatnonzero(self.kind == kind)

    def beside(self, number: int, look: Look) -> FactVector:
        """The facts of a picture beside what others look like, with its score."""
        facts = self._facts(number).beside(look)
        facts[_PLACE_AT] = self.place[number]
        return with_answer(facts, np.nan, float(self.score[number]))

    def _facts(self, number: int) -> PictureFacts:
        return PictureFacts(tuple(self.own[number].tolist()), self.small[number].astype(np.float32))


def seen_pictures(root: Path, out: Path = OUT) -> SeenPictures:
    """The pictures of a set; what is not kept is made, which takes minutes."""
    path = out / f"{root.name}-{_key()}.npz"
    if not path.is_file():
        out.mkdir(parents=True, exist_ok=True)
        made = _see(root)
        np.savez_compressed(path, **{one.name: getattr(made, one.name) for one in fields(made)})
    with np.load(path) as kept:
        return SeenPictures(*(kept[one.name] for one in fields(SeenPictures)))


def _see(root: Path) -> SeenPictures:
    rng = np.random.default_rng(0)
    good = [*list_pictures(root / "train" / GOOD), *list_pictures(root / "test" / GOOD)]
    tested = [one for one in sorted((root / "test").iterdir()) if one.is_dir() and one.name != GOOD]
    defects = [path for folder in tested for path in list_pictures(folder)]
    defects = [defects[at] for at in sorted(rng.permutation(len(defects))[:MOST_DEFECTS])]
    good = [good[at] for at in sorted(rng.permutation(len(good))[:MOST_GOOD])]
    order = rng.permutation(len(good))
    halves = [[good[at] for at in sorted(order[half::2])] for half in (0, 1)]
    encoder = encoder_of("lite0", SIDE, SIDE)
    spec = preprocess_of(encoder.recipe)
    found: list[tuple[str, PictureFacts, FactVector, float]] = []
    for number, fitted_on in enumerate(halves):
        model = _fitted(fitted_on, encoder_of("lite0", SIDE, SIDE), spec)
        versions = _versions(halves[1 - number], defects[number::2], rng)
        look = _look(fitted_on, spec)
        found += (
            (kind, facts, facts.beside(look)[_PLACE_AT], score)
            for kind, facts, score in _answers(model, spec, versions)
        )
    kinds, facts, place, score = zip(*found, strict=True)
    return SeenPictures(
        np.array(kinds),
        np.array([one.own for one in facts]),
        np.array([one.small for one in facts]).astype(np.uint8),
        np.array(place),
        np.array(score),
    )


def _look(good: Sequence[Path], spec: Preprocess) -> Look:
    seen = []
    for path in good:
        picture = read_picture(path)
        height, width, _ = picture.shape
        raw = RawPicture(picture.tobytes(), width, height, "rgb8")
        seen.append(picture_facts(prepare(raw, spec, MAX_PIXELS).model_input, width, height))
    smalls = [one.small for one in seen]
    aspect = float(np.median([1 / one.aspect for one in seen]))
    return replace(look_of(smalls), poses=taught_poses(smalls, aspect).all)


def _versions(
    good: Sequence[Path], defects: Sequence[Path], rng: np.random.Generator
) -> Iterator[tuple[str, Image]]:
    for path in good:
        picture = read_picture(path)
        for _ in range(JITTERS):
            yield GOOD, jittered(picture, rng)
        for name, change in CHANGES.items():
            yield name, change(jittered(picture, rng))
    for path in defects:
        picture = read_picture(path)
        for _ in range(DEFECT_JITTERS):
            yield DEFECT, jittered(picture, rng)


@torch.no_grad()
def _answers(
    model: PatchCore, spec: Preprocess, versions: Iterator[tuple[str, Image]]
) -> Iterator[tuple[str, PictureFacts, float]]:
    waiting: list[tuple[str, PictureFacts, torch.Tensor]] = []

    def answered() -> Iterator[tuple[str, PictureFacts, float]]:
        if waiting:
            _, scores = model(torch.cat([image for _, _, image in waiting]))
            for (kind, facts, _), score in zip(waiting, scores.tolist(), strict=True):
                yield kind, facts, score
            waiting.clear()

    for kind, picture in versions:
        height, width, _ = picture.shape
        raw = RawPicture(picture.tobytes(), width, height, "rgb8")
        seen = prepare(raw, spec, MAX_PIXELS)
        facts = picture_facts(seen.model_input, width, height)
        image = as_image(np.asarray(seen.model_input, np.uint8), torch.device("cpu"))
        waiting.append((kind, facts, image))
        if len(waiting) == _BATCH:
            yield from answered()
    yield from answered()


def _fitted(paths: Sequence[Path], encoder: object, spec: Preprocess) -> PatchCore:
    def load(path: Path) -> NDArray[np.uint8]:
        return np.asarray(prepare(path.read_bytes(), spec, MAX_PIXELS).model_input, np.uint8)

    compute = Compute.choose("cpu", bf16=False)
    options = PatchCoreOptions(bank_size=BANK)
    model = fit_patchcore([paths], load, encoder, options, compute, quiet=True).model  # type: ignore[arg-type]
    return model.eval()


def _key() -> str:
    """Of the code that makes facts and changes."""
    facts = f"{JITTERS} {DEFECT_JITTERS} {MOST_DEFECTS} {MOST_GOOD} {SIDE} {BANK}"
    digest = hashlib.sha256(facts.encode())
    for module in (facts_module, pose_module, changes_module):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:8]
