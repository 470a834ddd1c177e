"""The folder that is kept equal to a URL: what came from there, and how versions get in and out.

`mirror.json` in it remembers what came, by content, so that what was changed here since then stays
until it changes there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from takt.core.bundles.bundle import MANIFEST
from takt.core.bundles.files import make_private, sync_folder, write_atomically
from takt.core.bundles.host_profile import PROFILES
from takt.core.bundles.manifest import Manifest
from takt.core.bundles.strict_model import StrictModel
from takt.core.bundles.thresholds import OVERRIDES
from takt.core.errors import BundleError, ConfigurationError

_RECORD = "mirror.json"
_LOCK = ".lock"
_INCOMING = ".incoming-"
_FORMER = ".former-"

_Digest = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]


class Fetched(StrictModel):
    """`mirror.json`: what came from the URL, by the SHA-256 of its content there."""

    format_version: Literal[1] = 1

    versions: dict[str, _Digest] = Field(default_factory=dict)
    """By model/version: of the manifest; empty while it is being put into its place."""

    decisions: dict[str, _Digest] = Field(default_factory=dict)
    """By model: of `active.json`."""


class MirrorFolder:
    """The files of a mirror; one server at a time may change them.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as made:
    ...     folder = MirrorFolder(Path(made) / "mirror" / "host-12345678")
    ...     with folder.locked() as is_ours:
    ...         folder.fetched(), is_ours
    (Fetched(format_version=1, versions={}, decisions={}), True)

    Args:
        path: of the folder; made where it is missing.

    Raises:
        ConfigurationError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.told():
            make_private(path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[bool]:
        """Tells whether this process alone may change the folder until the end of the block."""
        with self.told():
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def fetched(self) -> Fetched:
        """What came from the URL until now; nothing where that cannot be read any more."""
        with contextlib.suppress(BundleError):
            return Fetched.read(self.path / _RECORD, (self._real,), BundleError) or Fetched()
        return Fetched()

    def remember(self, fetched: Fetched) -> None:
        """Keeps what came from the URL."""
        with self.told():
            write_atomically(self.path / _RECORD, fetched.json_bytes())

    def recover(self) -> None:
        """Ends what a process has left that was stopped on its way."""
        with self.told():
            for former in self.path.glob(f"*/.*{_FORMER}*"):
                place = former.with_name(former.name[1 : former.name.index(_FORMER)])
                if place.exists():
                    shutil.rmtree(former)
                else:
                    os.rename(former, place)
            for incoming in self.path.glob(f"{_INCOMING}*"):
                shutil.rmtree(incoming)

    def manifest_digest(self, name: str) -> str | None:
        """SHA-256 of the manifest that a version has here; None without one."""
        try:
            return hashlib.sha256((self.path / name / MANIFEST).read_bytes()).hexdigest()
        except OSError:
            return None

    def free_bytes(self) -> int:
        """Room on the disk."""
        with self.told():
            return shutil.disk_usage(self.path).free

    @contextlib.contextmanager
    def incoming(self, name: str) -> Iterator[Path]:
        """A folder to fill with a version, which nobody sees; what is left in it goes at the end.

        Args:
            name: model/version.
        """
        above = self.path / f"{_INCOMING}{secrets.token_hex(4)}"
        with self.told():
            (above / name).mkdir(parents=True)
        try:
            yield above / name
        finally:
            shutil.rmtree(above, ignore_errors=True)

    def put(self, name: str, incoming: Path, manifest: Manifest) -> None:
        """Puts a version into its place, which is whole at every moment or not there.

        Thresholds that were set here stay if the version's own are the same as before.

        Args:
            name: model/version.
            incoming: holds it.
            manifest: of it.
        """
        place = self.path / name
        former = place.with_name(f".{place.name}{_FORMER}{secrets.token_hex(4)}")
        with self.told():
            sync_folder(incoming)
            make_private(place.parent)
            is_new = not place.exists()
            if not is_new:
                os.rename(place, former)
            try:
                if not is_new:
                    self._take_over(former, incoming, manifest)
                os.rename(incoming, place)
            except OSError:
                if not is_new:
                    os.rename(former, place)
                raise
            sync_folder(place.parent)
            if not is_new:
                shutil.rmtree(former)

    def write_decision(self, file: Path, content: bytes) -> None:
        """Takes a model's decision from the URL."""
        with self.told():
            write_atomically(file, content)

    def remove(self, name: str) -> None:
        """Removes a version, and its model's folder if nothing else is in there."""
        place = self.path / name
        former = place.with_name(f".{place.name}{_FORMER}{secrets.token_hex(4)}")
        with self.told(), contextlib.suppress(FileNotFoundError):
            os.rename(place, former)
            shutil.rmtree(former)

    def _take_over(self, former: Path, incoming: Path, manifest: Manifest) -> None:
        try:
            before = Manifest.read(former / MANIFEST, (self._real,), BundleError)
        except BundleError:
            before = None
        is_same = before is None or before.thresholds == manifest.thresholds
        for one in (PROFILES, OVERRIDES) if is_same else (PROFILES,):
            with contextlib.suppress(FileNotFoundError):
                write_atomically(incoming / one, (former / one).read_bytes())

    @property
    def _real(self) -> Path:
        return Path(os.path.realpath(self.path))

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Turns errors of the disk into ours, within the block."""
        try:
            yield
        except OSError as error:
            raise ConfigurationError(
                f"the mirror {self.path} cannot be written: {error.strerror or error}; make room "
                "there, or name another data_folder"
            ) from None
