"""Pictures on disk: found in a folder, and read as the service reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import cast

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.findings import PictureSizes
from takt.core.bundles.manifest import Preprocess
from takt.core.bundles.tiling import Tiling
from takt.core.domain import (
    PICTURE_SUFFIXES,
    UNREAD,
    UNREAD_SUFFIXES,
    Depth,
    Image,
    ModelInput,
)
from takt.core.engines.base import Engine
from takt.core.errors import RequestError
from takt.core.inspection.offline import OfflineInspection, View, inspect_offline
from takt.core.pictures.decode import decode
from takt.core.pictures.formats.image_header import ImageHeader
from takt.core.pictures.formats.orientation import orientation_of
from takt.core.pictures.header import read_header
from takt.core.pictures.prepare import prepare, read_for_model
from takt.core.pictures.preprocess import preprocess
from takt.core.pictures.tiles import tile_grid
from takt.core.pictures.turning import Turn
from takt_export.errors import PicturesError
from takt_models.checkpoints.errors import printable
from takt_models.input_size import InputSize

MAX_PIXELS = 200_000_000
"""Most pixels of a picture offline; the service, which strangers reach, takes fewer."""

GOOD = "good"
MASKS = "ground_truth"
SYNTHETIC = "synthetic-"
"""Prefix of the name of a defect that a program drew on a good picture."""


def list_pictures(folder: Path) -> tuple[Path, ...]:
    """Every picture below a folder, sorted; hidden files and folders are left out.

    Raises:
        PicturesError: there is no such folder, it holds no picture, or one of a kind that is not
            read, or it has good pictures beside others, which would be taken for one another.
    """
    if not folder.is_dir():
        raise PicturesError(f"there is no folder {folder}")
    if any((folder / name).is_dir() for name in (MASKS, GOOD, "test")):
        raise PicturesError(
            f"{folder} has good pictures and others, or masks, in folders of their own; "
            f"{_folder_to_name(folder)}"
        )
    files = sorted(folder.rglob("*"))
    for path in files:
        if path.suffix.lower() in UNREAD_SUFFIXES and not _is_hidden(path, folder):
            raise PicturesError(f"{path}: {UNREAD}")
    found = tuple(path for path in files if is_picture(path, folder))
    if not found:
        raise PicturesError(f"{folder} holds no picture ({', '.join(sorted(PICTURE_SUFFIXES))})")
    return found


def read_picture(path: Path, spec: Preprocess | None = None, *, depth: Depth = "full") -> Image:
    """Decode a file as the service does: RGB uint8 [H,W,3], upright.

    With the preprocessing of a bundle, it is the picture as the bundle's model sees it; without,
    `depth` has the levels of files of 16 bits that become 0 to 255.

    Raises:
        PicturesError: the file cannot be read or is no picture; says which.
    """
    with named(path):
        if spec is None:
            return decode(path.read_bytes(), MAX_PIXELS, depth=depth)
        whole = spec.model_copy(update={"reduced_decode": False})
        return read_for_model(path.read_bytes(), whole, MAX_PIXELS).picture


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Which pixels of a mask are not black, bool [H,W]; labels in 16 bits count, however low.

    Raises:
        PicturesError: the file cannot be read or is no picture; says which.
    """
    with named(path):
        picture = decode(path.read_bytes(), MAX_PIXELS, depth="pillow")
    return np.asarray(picture.any(axis=2), np.bool_)


def look_at(engine: Engine, path: Path, view: View) -> OfflineInspection:
    """Run a file through an engine as the service does.

    Raises:
        EngineError: the engine failed.
        PicturesError: the file cannot be read or is no picture; says which.
    """
    with named(path):
        return inspect_offline(engine, path.read_bytes(), view, MAX_PIXELS)


def usual_size(paths: Iterable[Path]) -> InputSize:
    """The median width and the median height of pictures, upright, as a fit of ours sees them.

    Raises:
        PicturesError: one is no picture; says which.
    """
    widths, heights = zip(*map(_upright_size, paths), strict=True)
    return InputSize(round(median(widths)), round(median(heights)))


def _upright_size(path: Path) -> tuple[int, int]:
    """(width, height) of a file's picture as a person sees it; of a TIFF as it is stored."""
    with named(path):
        data = path.read_bytes()
        header = read_header(data)
        return Turn.of(orientation_of(data, header)).size(header.width, header.height)


def check_pictures(paths: Iterable[Path]) -> None:
    """Check by their first bytes that files are pictures, before long work begins.

    Raises:
        PicturesError: one is no picture; says which.
    """
    for path in paths:
        picture_header(path)


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) of a file's picture as it is stored, in pixels.

    Raises:
        PicturesError: the file cannot be read or is no picture; says which.
    """
    header = picture_header(path)
    return header.width, header.height


def picture_header(path: Path) -> ImageHeader:
    """What the first bytes of a file say of its picture.

    Raises:
        PicturesError: the file cannot be read or is no picture; says which.
    """
    with named(path):
        return read_header(path.read_bytes())


def range_of_sizes(paths: Iterable[Path]) -> PictureSizes:
    """The sizes of pictures, at least one, as they are stored.

    Raises:
        PicturesError: one is no picture; says which.
    """
    widths, heights = zip(*map(picture_size, paths), strict=True)
    return PictureSizes(
        least_width=min(widths),
        most_width=max(widths),
        least_height=min(heights),
        most_height=max(heights),
    )


def middle_tile(picture: Image, tiling: Tiling | None) -> Image:
    """View of the tile in the middle of a picture; the picture itself without tiling."""
    if tiling is None:
        return picture
    height, width, _ = picture.shape
    return tile_grid(tiling, width, height, (1, 1)).middle.of(picture)


def read_model_input(path: Path, spec: Preprocess, tiling: Tiling | None = None) -> ModelInput:
    """Decode and preprocess a file as the service does: [H,W,3] of the model's input size.

    If the model sees tiles, the one in the middle stands for the picture.

    Raises:
        PicturesError: the file cannot be read or is no picture; says which.
    """
    if tiling is not None:
        return preprocess(middle_tile(read_picture(path, spec), tiling), spec)
    with named(path):
        return prepare(path.read_bytes(), spec, MAX_PIXELS).model_input


def read_fit_input(path: Path, spec: Preprocess) -> Image:
    """As `read_model_input`, for a fit of ours, which sees whole levels: uint8 [H,W,3]."""
    assert spec.input == "uint8"
    return cast(Image, read_model_input(path, spec))


def is_picture(path: Path, folder: Path) -> bool:
    """Whether a file below a folder has a picture's suffix and is not hidden.

    A link to a file that is not there is one, which cannot be read: it would be missed else.
    """
    if path.suffix.lower() not in PICTURE_SUFFIXES or _is_hidden(path, folder):
        return False
    return path.is_file() or (path.is_symlink() and not path.exists())


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def short_name(path: Path) -> str:
    r"""The file and its folder, for people: several kinds of part may have files of one name.

    A manifest may keep it, which has no names that are not UTF-8.

    >>> short_name(Path("line/good/a\udcfc\n.png"))
    'good/a??.png'
    """
    return printable(f"{path.parent.name}/{path.name}")


def relative_name(path: Path, root: Path) -> str:
    """Path of a file below a folder, with slashes; the whole path of a file elsewhere."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn an error of reading a picture into one that names its file."""
    try:
        yield
    except (OSError, RequestError) as error:
        hint = "(replace it, or take it out of the folder)"
        raise PicturesError(f"{path}: {error} {hint}") from error


def _folder_to_name(root: Path) -> str:
    """What to do instead of naming a folder that has good pictures and others."""
    places = [folder for folder in (root / "train", root, root / "test") if folder.is_dir()]
    good = [place / GOOD for place in places if (place / GOOD).is_dir()]
    inside = (path for place in places for path in place.iterdir() if path.is_dir())
    no_defects = {MASKS, GOOD, "train", "test"}
    others = sorted(one for one in inside if one.name not in no_defects and one.name[0] != ".")
    named = [f"{folder} for good ones" for folder in good[:1]]
    named += [f"{folder} for others" for folder in others[:1]]
    if not named:
        return "put the pictures that are meant into a folder of their own, and name that"
    return f"name the folder of those that are meant: {' or '.join(named)}"
