"""A labelled data set for a line without defects so far: good pictures, some of them altered.

A program draws the defects. Metrics on them say little about real defects; docs/synthetic.md has
more.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from takt.core.bundles.files import new_folder
from takt.core.domain import Depth, Image
from takt.core.pictures.formats.orientation import UPRIGHT, orientation_of
from takt_export.errors import SyntheticError
from takt_export.pictures import SYNTHETIC, check_pictures, picture_header, read_picture
from takt_export.synthetic.defects import KINDS, VISIBLE_LEVELS, Defect, DefectKind, defect_of
from takt_export.synthetic.part_mask import estimate_part_mask

FACTS = "synthetic.json"
NOTICE = (
    "The defects in this data set were made by a computer. They are no real defects, and figures "
    "measured on them do not say how well real defects are found."
)
FOLDERS: dict[DefectKind, str] = {
    "cutpaste": f"{SYNTHETIC}cutpaste",
    "scar": f"{SYNTHETIC}cutpaste-scar",
    "perlin": f"{SYNTHETIC}perlin",
}
VISIBLE_SHARE = 1e-4
"""Smallest share of the picture's pixels that must change visibly."""

TRIES = 50


@dataclass(frozen=True)
class SyntheticOptions:
    """Options of a synthetic data set.

    Attributes:
        kinds: kinds of defects, each once.
        count: number of altered pictures of each kind.
        seed: seed of all random choices.
        depth: levels of files of 16 bits that become 0 to 255.
    """

    kinds: tuple[DefectKind, ...] = KINDS
    count: int = 100
    seed: int = 0
    depth: Depth = "full"

    def read(self, path: Path) -> Image:
        """A good picture as all of the data set shows it: upright, of 8 bits.

        Raises:
            PicturesError: it cannot be read.
        """
        return read_picture(path, depth=self.depth)


@dataclass(frozen=True)
class SyntheticFacts:
    """Content of `synthetic.json`.

    Attributes:
        notice: warning that the defects are not real.
        made_by: name of the command.
        made_with: package versions by name.
        seed: seed of all random choices.
        good_folder: name of the folder of good pictures.
        texture_folder: name of the folder of textures; None if the pictures lent their own.
        left_out: number of good pictures left out as seen by the fit; None if not requested.
        good: number of pictures in test/good.
        sources: number of good pictures that were altered; none of them is in test/good.
        defects: number of altered pictures by folder under test.
        pictures: good picture by picture of this data set; good pictures are relative to their
            folder.
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
    """Good pictures to use.

    Attributes:
        root: folder of the pictures.
        digests: `picture_digest` of each picture below the folder, without copies.
        left_out: number of pictures left out as seen by the fit; None if not requested.
    """

    root: Path
    digests: Mapping[Path, str]
    left_out: int | None = None


@dataclass(frozen=True)
class TextureFolder:
    """Pictures that lend their texture.

    Attributes:
        root: folder of the pictures.
        pictures: all of them, sorted.
        depth: levels of those of 16 bits that become 0 to 255: another camera's, as a rule.
    """

    root: Path
    pictures: tuple[Path, ...]
    depth: Depth = "full"


@dataclass(frozen=True)
class _Altered:
    """A picture to make: its kind, its number of the kind, and earlier uses of its source."""

    kind: DefectKind
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

    Half of the good pictures, chosen by seed and content, go unaltered into `test/good`. The others
    are altered in turn and are not in `test/good`. Altered pictures and masks are PNG, and so are
    good ones that their files turn, or that have 16 bits: nothing else tells them apart. A mask is
    255 where the altered picture differs from its source and 0 elsewhere.

    Each altered picture has a random generator of its own, seeded by the seed, its kind, its
    source's content and earlier uses of the source. The result does not depend on names, on the
    order of files or on the other kinds.

    Args:
        good: pictures of good parts, at least two.
        textures: pictures that lend the `perlin` kind their texture; None lets each picture lend
            its own.
        out: folder to write; must not exist.
        options: kinds, count and seed.
        made_with: package versions by name, for `synthetic.json`.
        quiet: show no progress bar.

    Raises:
        PicturesError: a picture cannot be read.
        SyntheticError: there are too few pictures, `out` exists or lies among the pictures, or a
            picture is so flat that no defect shows in it.
    """
    _check_place(out, good.root)
    unaltered, sources = split(good.digests, options.seed)
    lent, depth = (textures.pictures, textures.depth) if textures else ((), options.depth)
    check_pictures([*good.digests, *lent])
    with new_folder(out) as unfinished:
        origins = _copy_good(unaltered, unfinished, options)
        defects = {kind: defect_of(kind, lent, depth) for kind in options.kinds}
        plan = _plan(sources, options)
        for one in tqdm(plan, desc="altering", unit="picture", disable=quiet or None):
            digest = int(good.digests[one.source], 16)
            rng = np.random.default_rng((options.seed, KINDS.index(one.kind), one.turn, digest))
            place = _write_altered(one, defects[one.kind], rng, unfinished, options)
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
    return facts


def split(digests: Mapping[Path, str], seed: int) -> tuple[list[Path], list[Path]]:
    """Split good pictures in half: those that stay as they are, and those to alter.

    A hash of seed and content orders each half. Of an odd number, one more stays.

    Raises:
        SyntheticError: there are fewer than two pictures.

    >>> unaltered, sources = split({Path("a.png"): "1f", Path("b.png"): "2e"}, seed=0)
    >>> len(unaltered), len(sources)
    (1, 1)
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
    """A visibly altered picture and its changed pixels, bool [H,W]; None after fifty failures.

    A change of at least 10 levels in at least 0.01 % of the pixels is visible.
    """
    part = estimate_part_mask(picture)
    for _ in range(TRIES):
        altered = defect(picture, part, rng)
        difference = cv2.absdiff(picture, altered).max(axis=2)
        if (difference >= VISIBLE_LEVELS).mean() >= VISIBLE_SHARE:
            return altered, (picture != altered).any(axis=2)
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


def _copy_good(pictures: Sequence[Path], root: Path, options: SyntheticOptions) -> dict[str, Path]:
    """Copy pictures under new names; returns the source of each copy."""
    origins = {}
    (root / "test" / "good").mkdir(parents=True)
    for number, path in enumerate(pictures):
        is_plain = _is_plain(path)
        place = f"test/good/{number:03}{path.suffix.lower() if is_plain else '.png'}"
        if is_plain:
            shutil.copyfile(path, root / place)
        else:
            _write_picture(root / place, options.read(path))
        origins[place] = path
    return origins


def _is_plain(path: Path) -> bool:
    """Whether a file's picture is upright and of 8 bits, however it is read."""
    header = picture_header(path)
    return header.bits != 16 and orientation_of(path.read_bytes(), header) == UPRIGHT


def _write_altered(
    one: _Altered,
    defect: Defect,
    rng: np.random.Generator,
    root: Path,
    options: SyntheticOptions,
) -> str:
    """Make and write a picture and its mask; returns its place in the data set."""
    made = alter(options.read(one.source), defect, rng)
    if made is None:
        raise SyntheticError(
            f"{one.source}: no defect of kind {one.kind} shows in it after {TRIES} tries, since "
            "the picture is flat; take it out of the folder, or leave that kind out of --kinds"
        )
    altered, mask = made
    place = f"test/{FOLDERS[one.kind]}/{one.number:03}.png"
    _write_picture(root / place, altered)
    name = f"{one.number:03}_mask.png"
    _write_png(root / "ground_truth" / FOLDERS[one.kind] / name, mask.astype(np.uint8) * 255)
    return place


def _write_picture(path: Path, picture: Image) -> None:
    _write_png(path, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR).astype(np.uint8))


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(".png", pixels)
    path.write_bytes(data.tobytes())
