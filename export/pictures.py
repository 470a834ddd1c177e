"""Pictures on disk: found in a folder or a data set, and read as the service reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from service.bundle import Preprocess
from service.decode import decode
from service.domain import Image
from service.errors import RequestError, TaktError
from service.image_header import read_header
from service.preprocess import preprocess

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""BMP, JPEG, PNG, TIFF and WebP: what the service decodes."""

MAX_PIXELS = 200_000_000
"""Of a picture read offline, where no stranger sends it."""

GOOD = "good"
MASKS = "ground_truth"


class PicturesError(TaktError):
    """A folder without pictures, a picture that cannot be read, an unknown data set layout."""

    code = "pictures"
    title = "Pictures"


@dataclass(frozen=True)
class Sample:
    """A labelled picture.

    Attributes:
        path: of its file.
        defect: the name of its defect, None for a good picture.
        mask: a picture of the same size that is not black where the defect is.
    """

    path: Path
    defect: str | None
    mask: Path | None


def list_pictures(folder: Path) -> tuple[Path, ...]:
    """Every picture below a folder, sorted; hidden files and folders are left out.

    Raises:
        PicturesError: there is no such folder, it holds no picture, or it has good pictures
            beside others, which would be taken for one another.
    """
    if not folder.is_dir():
        raise PicturesError(f"there is no folder {folder}")
    if any((folder / name).is_dir() for name in (MASKS, GOOD, "test")):
        raise PicturesError(
            f"{folder} has good pictures and others in folders of their own; "
            f"name one of these folders, such as {_a_good_folder(folder)}"
        )
    found = tuple(sorted(path for path in folder.rglob("*") if _is_picture(path, folder)))
    if not found:
        raise PicturesError(f"{folder} holds no picture ({', '.join(sorted(SUFFIXES))})")
    return found


def read_picture(path: Path) -> Image:
    """Decode a file as the service does: RGB uint8 [H,W,3], upright.

    Raises:
        PicturesError: the file cannot be read or is no picture; says which.
    """
    try:
        return decode(path.read_bytes(), MAX_PIXELS)
    except (OSError, RequestError) as error:
        raise _unreadable(path, error) from error


def check_pictures(paths: Iterable[Path]) -> None:
    """Find files that are no pictures by their first bytes, before long work begins.

    Raises:
        PicturesError: one is not; says which.
    """
    for path in paths:
        try:
            read_header(path.read_bytes())
        except (OSError, RequestError) as error:
            raise _unreadable(path, error) from error


def read_model_input(path: Path, spec: Preprocess) -> Image:
    """Decode and preprocess a file as the service does: uint8 [H,W,3] of the model's input size.

    Raises:
        PicturesError: the file cannot be read or is no picture; says which.
    """
    return preprocess(read_picture(path), spec)


def read_data_set(root: Path) -> tuple[Sample, ...]:
    """The labelled pictures of a data set, sorted, in one of two layouts.

    MVTec AD's has `test/good`, `test/<defect>` and, with masks,
    `ground_truth/<defect>/<stem>_mask.png`. The plain one has `good` and beside it a folder for
    each defect; its masks, if any, lie in the same place.

    Raises:
        PicturesError: neither layout, or no picture in it.
    """
    if not root.is_dir():
        raise PicturesError(f"there is no folder {root}")
    test = root / "test"
    folders = _subfolders(test) if test.is_dir() else _plain_folders(root)
    samples = tuple(
        Sample(path, defect, _mask_of(root, folder, path) if defect else None)
        for folder in folders
        for defect in [None if folder.name == GOOD else folder.name]
        for path in sorted(folder.rglob("*"))
        if _is_picture(path, folder)
    )
    if not samples:
        raise PicturesError(
            f"{root} holds no labelled pictures; it needs test/good and test/<defect>, "
            "or good and bad, with pictures in them"
        )
    return samples


def _unreadable(path: Path, error: Exception) -> PicturesError:
    return PicturesError(f"{path}: {error} (replace it, or take it out of the folder)")


def _plain_folders(root: Path) -> list[Path]:
    if not (root / GOOD).is_dir():
        return []
    return [folder for folder in _subfolders(root) if folder.name not in (MASKS, "train")]


def _a_good_folder(root: Path) -> Path:
    inside = [root / "train" / GOOD, root / GOOD, root / "test" / GOOD]
    return next((folder for folder in inside if folder.is_dir()), inside[0])


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")


def _is_picture(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


def _mask_of(root: Path, folder: Path, path: Path) -> Path | None:
    inside = path.relative_to(folder).with_name(f"{path.stem}_mask.png")
    mask = root / MASKS / folder.name / inside
    return mask if mask.is_file() else None
