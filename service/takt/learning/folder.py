"""The folder of one learning: its pictures, and what must be gone afterwards.

    <data_folder>/learning/<id>/lock        held by the server that it belongs to
    <data_folder>/learning/<id>/job.json    what it is, for the server after a killed one
    <data_folder>/learning/<id>/place       the version that is being made: <model>/<version>
    <data_folder>/learning/<id>/pictures/   as they came; of a teaching as judged folders
    <data_folder>/learning/<id>/gathered/   judged folders while they are written
    <data_folder>/learning/<id>/tmp/        temporary files of the process

All of it is for one thread at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from takt.core.bundles.files import make_private, private_file
from takt.core.errors import ConflictError, NoRoomError
from takt.core.naming import is_model_name, is_version
from takt.core.pictures.decode import decode
from takt.core.pictures.header import read_header

MOST_PICTURES: Final = 5_000
MOST_BYTES: Final = 8_000_000_000
LEFT_BYTES: Final = 1_000_000_000
"""Room that stays on the disk, for the version and for the record."""

_PICTURES, _LOCK, _PLACE, _TEMPORARY = "pictures", "lock", "place", "tmp"
_GATHERED = "gathered"
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "BMP": ".bmp", "WebP": ".webp", "TIFF": ".tif"}
_MOST_OF_NAME = 60
_UNFIT = re.compile(r"[^\w.-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class PictureBounds:
    """How much a learning may be given.

    Attributes:
        pixels: of a picture.
        pictures: in all.
        bytes: of their files.
        left_bytes: of the disk that stay free.
    """

    pixels: int
    pictures: int = MOST_PICTURES
    bytes: int = MOST_BYTES
    left_bytes: int = LEFT_BYTES


class LearningFolder:
    """The folder of one learning.

    Args:
        path: where it is made.
        bounds: of what it takes.

    Attributes:
        path: as given.
        bounds: as given.
        count: pictures in it.
        bytes: of their files.
        duplicates: pictures that were there already.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path, bounds: PictureBounds) -> None:
        self.path = path
        self.count = self.bytes = self.duplicates = 0
        self.bounds = bounds
        self._known: set[bytes] | None = None
        self._takes = True
        make_private(path)
        self._lock = _locked(path)
        for name in (_PICTURES, _TEMPORARY):
            make_private(path / name)

    @property
    def pictures(self) -> Path:
        """Folder of the pictures."""
        return self.path / _PICTURES

    @property
    def gathered(self) -> Path:
        """Folder in which judged pictures are gathered, before they are the learning's own."""
        return self.path / _GATHERED

    @property
    def place(self) -> str | None:
        """The version that was being made; None where none was."""
        noted = self._noted_place()
        return noted[1] if noted else None

    def _noted_place(self) -> tuple[str, str] | None:
        """Model and version that were being made."""
        try:
            text = (self.path / _PLACE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        model, _, version = text.partition("/")
        return (model, version) if is_model_name(model) and is_version(version) else None

    def count_pictures(self) -> None:
        """Count what a former server has left in it."""
        sizes = [path.stat().st_size for path in self._files()]
        self.count, self.bytes = len(sizes), sum(sizes)

    def _files(self) -> list[Path]:
        return [path for path in self.pictures.rglob("*") if path.is_file()]

    def room(self) -> int:
        """Bytes that further pictures may take, besides those that are there."""
        free = shutil.disk_usage(self.path).free
        return max(0, min(self.bounds.bytes - self.bytes, free - self.bounds.left_bytes))

    def take_gathered(self, count: int, size: int) -> None:
        """What was gathered is what it has from now on, instead of all that it had.

        Args:
            count: pictures that were gathered.
            size: bytes of their files.
        """
        shutil.rmtree(self.pictures)
        os.replace(self.gathered, self.pictures)
        self.count, self.bytes = count, size

    def forget_pictures(self) -> None:
        """Removes the pictures, as they can be had again."""
        for path in (self.pictures, self.gathered):
            shutil.rmtree(path, ignore_errors=True)
        make_private(self.pictures)
        self.count = self.bytes = 0

    def begin_again(self, repository: Path) -> None:
        """Serves another learning, which goes on with the pictures that are there."""
        self.remove_leftovers(repository)
        self.duplicates = 0
        self.close_to_pictures(False)

    def begin(self) -> None:
        """Takes no pictures from now on, and forgets which version was made of them before."""
        self.close_to_pictures(True)
        with contextlib.suppress(OSError):
            (self.path / _PLACE).unlink(missing_ok=True)

    def close_to_pictures(self, closed: bool) -> None:
        """Whether it takes no further pictures for now."""
        self._takes = not closed

    def add(self, name: str, data: bytes) -> bool:
        """Keeps a picture as it came, unless it is there already.

        Args:
            name: by which messages may call it.
            data: the whole file.

        Returns:
            Whether it is new.

        Raises:
            ConflictError: the learning takes none any more.
            ImageTooLargeError, InvalidImageError, UnsupportedImageError: it is no picture that is
                served.
            NoRoomError: there is no room for it.
        """
        self._check_open()
        header = read_header(data)
        decode(data, self.bounds.pixels, header)
        digest = hashlib.sha256(data).digest()
        if self._known is None:
            self._known = {_digest_of(path) for path in self._files()}
        if digest in self._known:
            self.duplicates += 1
            return False
        self.check_room(len(data))
        stem = _UNFIT.sub("_", Path(name).stem)[-_MOST_OF_NAME:]
        path = self.pictures / f"{self.count + 1:04}-{stem}{_SUFFIXES[header.format]}"
        try:
            with open(path, "wb", opener=private_file) as file:
                file.write(data)
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()
            raise NoRoomError(
                f"the picture cannot be kept in {self.path}: {error.strerror}; make room there"
            ) from error
        self._known.add(digest)
        self.count += 1
        self.bytes += len(data)
        return True

    def check_room(self, size: int) -> None:
        """Refuses what does not fit any more.

        Raises:
            ConflictError: the learning takes none any more.
            NoRoomError: there is no room for a picture of so many bytes.
        """
        self._check_open()
        if self.count >= self.bounds.pictures:
            raise NoRoomError(
                f"there are {self.count} pictures, as many as may be; start with these"
            )
        if self.bytes + size > self.bounds.bytes:
            raise NoRoomError(
                f"the pictures take {self.bytes / 1e6:.0f} MB, and may take "
                f"{self.bounds.bytes / 1e6:.0f}; start with these, or send smaller files"
            )
        free = shutil.disk_usage(self.path).free
        if free - size < self.bounds.left_bytes:
            raise NoRoomError(
                f"the disk of {self.path} has {free / 1e6:.0f} MB left, of which "
                f"{self.bounds.left_bytes / 1e6:.0f} stay free; make room there"
            )

    def note_place(self, model: str, version: str) -> None:
        """Notes which version is being made, so that its leftovers are known."""
        (self.path / _PLACE).write_text(f"{model}/{version}", encoding="utf-8")

    def leave(self) -> None:
        """Leaves the folder as it is to whoever takes it over."""
        self._takes = False
        os.close(self._lock)

    def remove(self, repository: Path) -> None:
        """Removes the folder, and what an interrupted process has left in the repository."""
        self._takes = False
        self.remove_leftovers(repository)
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def remove_leftovers(self, repository: Path) -> None:
        """Removes what an interrupted process has left in the repository and in `tmp`.

        Of a version that it has begun the hidden folders go; a whole one stays. So does what is of
        somebody who learns the version at the command line, or has interrupted that before.
        """
        if (noted := self._noted_place()) is not None:
            folder = repository / noted[0]
            begun = re.compile(rf"\.{re.escape(noted[1])}(\.fit|-[a-z0-9_]{{8}})")
            others = _is_locked(folder / f".{noted[1]}.fit")
            with contextlib.suppress(OSError):
                for one in list(folder.iterdir()):
                    if begun.fullmatch(one.name) and not (others or self._was_there(one)):
                        shutil.rmtree(one, ignore_errors=True)
                folder.rmdir()  # only an empty one goes
        shutil.rmtree(self.path / _TEMPORARY, ignore_errors=True)
        with contextlib.suppress(OSError):
            (self.path / _TEMPORARY).mkdir(mode=0o700)

    def _was_there(self, folder: Path) -> bool:
        """Whether a fit had left a state in a folder before the version was begun here."""
        begun_s = (self.path / _PLACE).stat().st_mtime
        return any(state.stat().st_mtime < begun_s for state in folder.glob("*.resume"))

    def _check_open(self) -> None:
        if not self._takes:
            raise ConflictError("this learning takes no pictures now; see its state")


def abandoned(folder: Path, repository: Path, bounds: PictureBounds) -> Iterator[LearningFolder]:
    """The folders that servers have left that were ended without notice, locked from now on.

    What they have left in the repository is removed.

    Args:
        folder: of all learnings.
        repository: folder of the models.
        bounds: of the pictures.
    """
    try:
        found = list(folder.iterdir())
    except OSError:  # there is none, as a rule
        return
    for path in found:
        try:
            left = LearningFolder(path, bounds)
        except OSError:  # another server's
            continue
        left.remove_leftovers(repository)
        left.count_pictures()
        yield left


def _is_locked(folder: Path) -> bool:
    """Whether another process works in a folder, as `takt learn` says by a lock of it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False


def _digest_of(path: Path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _locked(path: Path) -> int:
    """The lock of a learning's folder, which is held until it is closed, or its process ends.

    Raises:
        OSError: another process has it, or it cannot be had.
    """
    descriptor = os.open(path / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
