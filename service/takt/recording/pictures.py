"""The kept pictures: files by date and content, on the disk beside the database."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from takt.core.bundles.files import make_private, private_file
from takt.core.domain import PixelFormat, RawPicture
from takt.core.errors import InspectionNotFoundError, RecordError

RAW_FORMATS: Final[tuple[PixelFormat, ...]] = ("rgb8", "bgr8", "mono8")

_DAY_US: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1)
_SUFFIXES = {"jpeg": ".jpg", "png": ".png", "bmp": ".bmp", "webp": ".webp", "tiff": ".tif"}
_MARKS = {
    b"\xff\xd8": "jpeg",
    b"\x89PNG": "png",
    b"BM": "bmp",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
}

Picture = bytes | memoryview | RawPicture


class ChangedPictureError(RecordError):
    """A kept picture is not what was inspected, such as after a loss of power."""


@dataclass(frozen=True, slots=True)
class PictureKey:
    """What names a kept picture.

    Attributes:
        at_us: time of the inspection, in µs of Unix time; its date is the folder.
        sha256: of the bytes as they came, in hex.
        input_format: as in the table `inspections`.
    """

    at_us: int
    sha256: str
    input_format: str

    @property
    def path(self) -> str:
        """Path of the file below the store's folder.

        >>> PictureKey(0, "ab", "rgb8").path
        '1970/01/01/ab.rgb8.png'
        """
        suffix = _SUFFIXES.get(self.input_format, ".bin")
        if self.input_format in RAW_FORMATS:
            suffix = f".{self.input_format}.png"
        return f"{_day_of(self.at_us // _DAY_US)}/{self.sha256}{suffix}"


@functools.lru_cache(maxsize=64)
def _day_of(days: int) -> str:
    """The folder of a day, by its number in Unix time."""
    return (_EPOCH + timedelta(days=days)).strftime("%Y/%m/%d")


class PictureStore:
    """Writes, reads and removes kept pictures; any thread may use it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = PictureStore(Path(folder))
    ...     grey = RawPicture(bytes(12), width=4, height=3, format="mono8")
    ...     key = PictureKey(0, sha256_of(grey), format_of(grey))
    ...     _ = store.write(key, grey)
    ...     store.read(key) == grey
    True

    Args:
        folder: of all pictures; made with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # Texts of paths, as each picture of a busy line may be written and removed: objects of paths
    # take longer than the system's calls.

    def write(
        self, key: PictureKey, picture: Picture, *, packed: bool = True, durable: bool = False
    ) -> int:
        """Keep a picture as it came; raw pixels as a PNG, which loses nothing.

        Args:
            key: of the picture.
            picture: to keep.
            packed: whether raw pixels are made smaller, which takes a processor some ms.
            durable: whether it is on the disk by then. A loss of power may take others, which
                `takt records check` finds.

        Returns:
            The bytes that the file has; 0 where it was there already.

        Raises:
            RecordError: the disk does not take it; nothing is left behind.
        """
        path = f"{self.folder}/{key.path}"
        folder, _, name = path.rpartition("/")
        unfinished = f"{folder}/.{name}.{secrets.token_hex(4)}.part"
        try:
            if os.path.exists(path):
                if durable:
                    # Whoever has written it may not have waited for the disk.
                    _sync(path, folder)
                return 0
            data = png_of(picture, packed=packed) if isinstance(picture, RawPicture) else picture
            above: list[str] = []
            try:
                _write(unfinished, data, durable=durable)
            except FileNotFoundError:
                make_private(Path(folder))
                above = [str(self.folder.parent), *_levels(str(self.folder), key.path)]
                _write(unfinished, data, durable=durable)
            os.replace(unfinished, path)
            if durable:
                _sync(folder, *above)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(unfinished)
            raise RecordError(f"a picture cannot be kept in {self.folder}: {error}") from error
        return len(data)

    def read(self, key: PictureKey) -> bytes | RawPicture:
        """A kept picture, as it came.

        Raises:
            InspectionNotFoundError: it is not there any more.
            ChangedPictureError: the file is not what was kept.
            RecordError: it cannot be read.
        """
        path = self.folder / key.path
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise InspectionNotFoundError(
                f"the picture {key.path} is not kept any more; retention or somebody removed it"
            ) from None
        except OSError as error:
            raise RecordError(f"the kept picture {key.path} cannot be read: {error}") from error
        picture = _raw_of(data, key) if key.input_format in RAW_FORMATS else data
        if picture is None or sha256_of(picture) != key.sha256:
            raise ChangedPictureError(
                f"the kept picture {key.path} is not what was inspected: its content has changed"
            )
        return picture

    def read_file(self, key: PictureKey) -> bytes:
        """A kept picture as a file, raw pixels as a PNG; the errors are those of `read`."""
        picture = self.read(key)
        return png_of(picture) if isinstance(picture, RawPicture) else picture

    def remove(self, path: str) -> int:
        """Remove a picture by its path below the folder, and the folders that it leaves empty.

        Returns:
            The bytes that are free now; 0 where it was gone already.

        Raises:
            RecordError: the disk does not allow it.
        """
        file = f"{self.folder}/{path}"
        try:
            size = os.stat(file).st_size
            os.unlink(file)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise RecordError(f"the kept picture {path} cannot be removed: {error}") from error
        with contextlib.suppress(OSError):
            while "/" in path:
                path = path.rpartition("/")[0]
                os.rmdir(f"{self.folder}/{path}")
        return size

    def free_bytes(self) -> int:
        """What the disk has left; as much as there can be where it does not say."""
        for folder in (self.folder, *self.folder.parents):
            with contextlib.suppress(OSError):
                return shutil.disk_usage(folder).free
        return sys.maxsize

    def files(self) -> Iterator[tuple[str, int]]:
        """Path below the folder and bytes of each file, the oldest day first."""
        yield from _files(self.folder, self.folder)


def _write(path: str, data: bytes | memoryview, *, durable: bool) -> None:
    with open(path, "wb", buffering=0, opener=private_file) as file:
        left = memoryview(data)
        while left := left[file.write(left) :]:
            pass
        if durable:
            os.fsync(file.fileno())


def _sync(*paths: str) -> None:
    """Have files, or the names in folders, on the disk."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _levels(folder: str, path: str) -> Iterator[str]:
    """A folder and those below it, but for the last one, on the way to a file.

    >>> list(_levels("pictures", "1970/01/02/ab.jpg"))
    ['pictures', 'pictures/1970', 'pictures/1970/01']
    """
    for name in path.split("/")[:-1]:
        yield folder
        folder = f"{folder}/{name}"


def _files(folder: Path, top: Path) -> Iterator[tuple[str, int]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), top)
        else:
            with contextlib.suppress(FileNotFoundError):
                size = entry.stat(follow_symlinks=False).st_size
                yield str(Path(entry.path).relative_to(top)), size


def sha256_of(picture: Picture) -> str:
    """SHA-256 of a picture as it came, in hex: of the file, or of the raw pixels."""
    data = picture.pixels if isinstance(picture, RawPicture) else picture
    return hashlib.sha256(data).hexdigest()


def digests_of(data: bytes) -> tuple[str, ...]:
    """The hashes by which the record may know a file: its own, and those of the pixels in a PNG.

    >>> len(digests_of(b"BM...")), len(digests_of(png_of(RawPicture(b"grey", 2, 2, "mono8"))))
    (1, 4)
    """
    own = sha256_of(data)
    if format_of(data) != "png":
        return (own,)
    # Raw pixels are known by themselves, and given out as PNG.
    pixels = (_raw_of(data, PictureKey(0, own, name)) for name in RAW_FORMATS)
    return (own, *(sha256_of(one) for one in pixels if one is not None))


def format_of(picture: Picture) -> str:
    """Format of a picture by its first bytes, as the table `inspections` names it.

    >>> format_of(b"BM..."), format_of(b"?")
    ('bmp', 'unknown')
    """
    if isinstance(picture, RawPicture):
        return picture.format
    head = bytes(picture[:12])
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return "webp"
    return _MARKS.get(head[:2]) or _MARKS.get(head[:4], "unknown")


def png_of(picture: RawPicture, *, packed: bool = True) -> bytes:
    """Raw pixels as a PNG of the same levels; quick rather than small, or as large as they are."""
    channels = () if picture.format == "mono8" else (3,)
    pixels = np.frombuffer(picture.pixels, np.uint8)
    levels: cv2.typing.MatLike = pixels.reshape(picture.height, picture.width, *channels)
    if picture.format == "rgb8":
        levels = cv2.cvtColor(levels, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".png", levels, [cv2.IMWRITE_PNG_COMPRESSION, int(packed)])
    return data.tobytes()


def _raw_of(data: bytes, key: PictureKey) -> RawPicture | None:
    """The raw pixels that `png_of` wrote; None if these are none."""
    colour = cv2.IMREAD_GRAYSCALE if key.input_format == "mono8" else cv2.IMREAD_COLOR
    levels = cv2.imdecode(np.frombuffer(data, np.uint8), colour) if data else None
    if levels is None:
        return None
    if key.input_format == "rgb8":
        levels = cv2.cvtColor(levels, cv2.COLOR_BGR2RGB)
    height, width = levels.shape[:2]
    pixel_format = next(name for name in RAW_FORMATS if name == key.input_format)
    return RawPicture(levels.tobytes(), width, height, pixel_format)
