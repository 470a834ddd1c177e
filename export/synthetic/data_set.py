"""A labelled data set for a line that has no defects yet: good pictures, some of them altered.

The defects are made by a computer. How a model does on them says little of how it does on real
ones; see docs/synthetic.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from export.errors import SyntheticError
from export.evaluation.data_sets import SYNTHETIC
from export.pictures import check_pictures, read_picture
from export.synthetic.defects import KINDS, Defect, Kind, changed, defect_of
from export.synthetic.part_mask import estimate_part
from service.domain import Image

FACTS = "synthetic.json"
NOTICE = (
    "The defects in this data set were made by a computer. They are no real defects, and figures "
    "measured on them do not say how well real defects are found."
)
FOLDERS: dict[Kind, str] = {
    "cutpaste": f"{SYNTHETIC}cutpaste",
    "scar": f"{SYNTHETIC}cutpaste-scar",
    "perlin": f"{SYNTHETIC}perlin",
}
VISIBLE_LEVELS = 10
"""Of 255, in any channel: a smaller change is not seen."""

VISIBLE_SHARE = 1e-4
"""Of the picture's pixels that must change visibly."""

TRIES = 50


@dataclass(frozen=True)
class SyntheticOptions:
    """What is made.

    Attributes:
        kinds: of defects, each once.
        count: altered pictures of each kind.
        seed: of everything random.
    """

    kinds: tuple[Kind, ...] = KINDS
    count: int = 100
    seed: int = 0


@dataclass(frozen=True)
class SyntheticFacts:
    """What `synthetic.json` says.

    Attributes:
        notice: that the defects are not real.
        made_by: the command.
        made_with: package versions by name.
        seed: of everything random.
        good_folder: name of the folder of good pictures.
        texture_folder: name of the folder of textures; None where the pictures lent their own.
        left_out: good pictures left out as seen by the fit; None where nobody asked for that.
        good: pictures in test/good.
        sources: good pictures that were altered; none of them is in test/good.
        defects: altered pictures by folder under test.
        pictures: every picture's place in this data set and the good picture it comes from,
            relative to the folder of good pictures.
    """

    notice: str
    made_by: str
    made_with: dict[str, str]
    seed: int
    good_folder: str
    texture_folder: str | None
    left_out: int | None
    good: int
    sources: int
    defects: dict[str, int]
    pictures: dict[str, str]


@dataclass(frozen=True)
class GoodFolder:
    """The good pictures that may be used.

    Attributes:
        root: the folder.
        digests: each picture below it, without copies, with `picture_digest`.
        left_out: pictures left out as seen by the fit; None where nobody asked for that.
    """

    root: Path
    digests: Mapping[Path, str]
    left_out: int | None = None


@dataclass(frozen=True)
class TextureFolder:
    """Pictures that lend their texture: the folder and what is in it, sorted."""

    root: Path
    pictures: tuple[Path, ...]


@dataclass(frozen=True)
class _Altered:
    """One picture to make: the kind, its number within it, and how often its source was used."""

    kind: Kind
    number: int
    source: Path
    turn: int


def synthesize(
    good: GoodFolder,
    textures: TextureFolder | None,
    out: Path,
    options: SyntheticOptions,
    made_with: dict[str, str],
    *,
    quiet: bool = False,
) -> SyntheticFacts:
    """Write the data set, whole or not at all.

    Half of the good pictures, chosen by seed and content, go unaltered into `test/good`; the others
    are altered, in turn, and are not in it. Altered pictures and masks are PNG. A mask is 255 where
    the altered picture differs from its source and 0 elsewhere.

    Each altered picture draws from a generator of its own, seeded by the seed, its kind, its
    source's content and how often that was used before: the result does not depend on names,
    on the order of files or on the other kinds.

    Args:
        good: pictures of good parts, two at least.
        textures: what lends the `perlin` kind its texture; None lets each picture lend its own.
        out: the folder to write; must not exist.
        options: see there.
        made_with: package versions by name, to be written down.
        quiet: show no progress bar.

    Raises:
        PicturesError: a picture cannot be read.
        SyntheticError: too few pictures, `out` exists or lies among the pictures, or a picture is
            so flat that no defect shows in it.
    """
    _check_place(out, good.root)
    unaltered, sources = split(good.digests, options.seed)
    lent = textures.pictures if textures else ()
    check_pictures([*good.digests, *lent])
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        origins = _copy_good(unaltered, unfinished)
        defects = {kind: defect_of(kind, lent) for kind in options.kinds}
        plan = _plan(sources, options)
        for one in tqdm(plan, desc="altering", unit="picture", disable=quiet or None):
            rng = _generator(options.seed, one, good.digests[one.source])
            place = _write_altered(one, defects[one.kind], rng, unfinished)
            origins[place] = one.source
        facts = SyntheticFacts(
            notice=NOTICE,
            made_by="takt synthesize",
            made_with=made_with,
            seed=options.seed,
            good_folder=good.root.resolve().name,
            texture_folder=textures.root.resolve().name if textures else None,
            left_out=good.left_out,
            good=len(unaltered),
            sources=len({one.source for one in plan}),
            defects={FOLDERS[kind]: options.count for kind in options.kinds},
            pictures={
                place: source.relative_to(good.root).as_posix() for place, source in origins.items()
            },
        )
        text = json.dumps(asdict(facts), indent=2, ensure_ascii=False)
        # A file name that is not UTF-8 has surrogates; \udcXX is how JSON escapes them.
        (unfinished / FACTS).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        unfinished.chmod(0o755)
        os.rename(unfinished, out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return facts


def split(digests: Mapping[Path, str], seed: int) -> tuple[list[Path], list[Path]]:
    """Part good pictures into those that stay as they are and those to alter, half and half.

    The order in each part is that of a hash of seed and content. With an odd number one more stays.

    Raises:
        SyntheticError: fewer than two pictures.
    """
    if len(digests) < 2:
        raise SyntheticError(
            f"there {'is 1 picture' if digests else 'are no pictures'} to work with; a synthetic "
            "data set needs at least two, one to alter and one to leave as it is: give a --good "
            "folder that has more"
        )

    def rank(path: Path) -> bytes:
        return hashlib.sha256(f"{seed} {digests[path]}".encode()).digest()

    ranked = sorted(digests, key=rank)
    altered = len(ranked) // 2
    return ranked[altered:], ranked[:altered]


def alter(
    picture: Image, defect: Defect, rng: np.random.Generator
) -> tuple[Image, NDArray[np.bool_]] | None:
    """A visibly altered picture and the pixels that changed; None if fifty draws show nothing.

    Visible is a change of at least 10 levels in at least 0.01 % of the pixels.
    """
    part = estimate_part(picture)
    for _ in range(TRIES):
        altered = defect(picture, part, rng)
        difference = cv2.absdiff(picture, altered).max(axis=2)
        if (difference >= VISIBLE_LEVELS).mean() >= VISIBLE_SHARE:
            return altered, changed(picture, altered)
    return None


def _check_place(out: Path, good: Path) -> None:
    if out.exists():
        raise SyntheticError(f"{out} exists; delete it, or give another --out")
    if good.resolve() in out.resolve().parents:
        raise SyntheticError(
            f"{out} lies in the folder of good pictures, which would then hold altered ones; give "
            "an --out outside of it"
        )


def _plan(sources: Sequence[Path], options: SyntheticOptions) -> list[_Altered]:
    return [
        _Altered(kind, number, sources[number % len(sources)], number // len(sources))
        for kind in options.kinds
        for number in range(options.count)
    ]


def _generator(seed: int, one: _Altered, digest: str) -> np.random.Generator:
    return np.random.default_rng((seed, KINDS.index(one.kind), one.turn, int(digest, 16)))


def _copy_good(pictures: Sequence[Path], root: Path) -> dict[str, Path]:
    """Copy them under new names; where each place comes from."""
    origins = {}
    (root / "test" / "good").mkdir(parents=True)
    for number, path in enumerate(pictures):
        place = f"test/good/{number:03}{path.suffix.lower()}"
        shutil.copyfile(path, root / place)
        origins[place] = path
    return origins


def _write_altered(one: _Altered, defect: Defect, rng: np.random.Generator, root: Path) -> str:
    """Make and write one picture and its mask; its place in the data set."""
    made = alter(read_picture(one.source), defect, rng)
    if made is None:
        raise SyntheticError(
            f"{one.source}: no defect of kind {one.kind} shows in it after {TRIES} tries, since "
            "the picture is flat; take it out of the folder, or leave that kind out of --kinds"
        )
    altered, mask = made
    place = f"test/{FOLDERS[one.kind]}/{one.number:03}.png"
    _write_png(root / place, cv2.cvtColor(altered, cv2.COLOR_RGB2BGR).astype(np.uint8))
    name = f"{one.number:03}_mask.png"
    _write_png(root / "ground_truth" / FOLDERS[one.kind] / name, mask.astype(np.uint8) * 255)
    return place


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(".png", pixels)
    path.write_bytes(data.tobytes())
