"""The kept pictures: files by date and content, on the disk beside the database."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from service.core.bundles.files import make_private, private_file
from service.core.domain import PixelFormat, RawPicture
from service.core.errors import InspectionNotFoundError, RecordError

RAW_FORMATS: Final[tuple[PixelFormat, ...]] = ("rgb8", "bgr8", "mono8")

_SUFFIXES = {"jpeg": ".jpg", "png": ".png", "bmp": ".bmp", "webp": ".webp", "tiff": ".tif"}
_MARKS = {
    b"\xff\xd8": "jpeg",
    b"\x89PNG": "png",
    b"BM": "bmp",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
}

Picture = bytes | memoryview | RawPicture


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
        day = datetime.fromtimestamp(self.at_us / 1e6, UTC).strftime("%Y/%m/%d")
        suffix = _SUFFIXES.get(self.input_format, ".bin")
        if self.input_format in RAW_FORMATS:
            suffix = f".{self.input_format}.png"
        return f"{day}/{self.sha256}{suffix}"


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

    def write(self, key: PictureKey, picture: Picture) -> int:
        """Keep a picture as it came; raw pixels as a PNG, which loses nothing.

        Returns:
            The bytes that the file has; 0 where it was there already.

        Raises:
            RecordError: the disk does not take it; nothing is left behind.
        """
        path = self.folder / key.path
        if path.exists():
            return 0
        data = png_of(picture) if isinstance(picture, RawPicture) else picture
        # No sync: a machine that loses power may lose a picture, which `takt records check` finds.
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            try:
                _write(unfinished, data)
            except FileNotFoundError:
                make_private(path.parent)
                _write(unfinished, data)
            os.replace(unfinished, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise RecordError(f"a picture cannot be kept in {self.folder}: {error}") from error
        return len(data)

    def read(self, key: PictureKey) -> bytes | RawPicture:
        """A kept picture, as it came.

        Raises:
            InspectionNotFoundError: it is not there any more.
            RecordError: the file cannot be read, or is not what was kept.
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
            raise RecordError(
                f"the kept picture {key.path} is not what was inspected: its content has changed"
            )
        return picture

    def remove(self, path: str) -> int:
        """Remove a picture by its path below the folder, and the folders that it leaves empty.

        Returns:
            The bytes that are free now; 0 where it was gone already.

        Raises:
            RecordError: the disk does not allow it.
        """
        file = self.folder / path
        try:
            size = file.stat().st_size
            file.unlink()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise RecordError(f"the kept picture {path} cannot be removed: {error}") from error
        with contextlib.suppress(OSError):
            for parent in list(file.relative_to(self.folder).parents)[:-1]:
                (self.folder / parent).rmdir()
        return size

    def files(self) -> Iterator[tuple[str, int]]:
        """Path below the folder and bytes of each file, the oldest day first."""
        yield from _files(self.folder, self.folder)


def _write(path: Path, data: bytes | memoryview) -> None:
    with open(path, "wb", opener=private_file) as file:
        file.write(data)


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


def png_of(picture: RawPicture) -> bytes:
    """Raw pixels as a PNG of the same levels; quick rather than small."""
    channels = () if picture.format == "mono8" else (3,)
    pixels = np.frombuffer(picture.pixels, np.uint8)
    levels: cv2.typing.MatLike = pixels.reshape(picture.height, picture.width, *channels)
    if picture.format == "rgb8":
        levels = cv2.cvtColor(levels, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".png", levels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
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
