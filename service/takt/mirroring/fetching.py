"""A version comes from a URL: all of it as its manifest says, or nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from takt.core.bundles.bundle import MANIFEST
from takt.core.bundles.card import CARD
from takt.core.bundles.content.listed_files import bound_of, check_names
from takt.core.bundles.files import write_atomically
from takt.core.bundles.host_profile import PROFILES
from takt.core.bundles.manifest import Manifest
from takt.core.bundles.reading import RECORD_BYTES
from takt.core.bundles.signing.signature import SIGNATURE, TrustedKeys
from takt.core.bundles.thresholds import OVERRIDES
from takt.core.errors import BundleError
from takt.mirroring.folder import MirrorFolder
from takt.mirroring.store import Store

_ROOM_LEFT_BYTES: Final = 256 << 20
"""Disk that is left to all else."""

_REMEDY: Final = "upload the version again, its manifest last"

_NOT_LISTED: Final = frozenset({MANIFEST, SIGNATURE, CARD, PROFILES, OVERRIDES})
"""Files that a manifest does not list."""


def fetch_version(
    store: Store,
    name: str,
    content: bytes,
    folder: MirrorFolder,
    keys: TrustedKeys | None,
    here: str | None,
) -> None:
    """Fetches a version, checks it, and puts it into its place.

    Args:
        store: has it.
        name: model/version.
        content: of its manifest.
        folder: takes it.
        keys: one of them must have signed it.
        here: SHA-256 of the manifest that it replaces; None for none.

    Raises:
        BundleError: it is not what its manifest says, or not signed; or what it replaces is another
            one by now.
        ConfigurationError: the keys cannot be read, or the folder cannot be written.
        UnavailableError: the store does not answer, or the server ends.
    """
    manifest = Manifest.checked(content, Path(store.shown(name, MANIFEST)), BundleError)
    _check(store, name, manifest, folder)
    with folder.told(), folder.incoming(name) as incoming:
        write_atomically(incoming / MANIFEST, content)
        for beside in (SIGNATURE, CARD):
            _take_beside(store, name, beside, incoming)
        if keys is not None:
            _check_signature(store, name, content, incoming, keys)
        for file in manifest.files:
            _take(store, name, file, manifest, incoming)
        if folder.manifest_digest(name) != here:
            raise BundleError(
                f"{folder.path / name} was made or changed here while {store.shown(name)} came"
            )
        folder.put(name, incoming, manifest)


def _check(store: Store, name: str, manifest: Manifest, folder: MirrorFolder) -> None:
    """Refuses what can be known before a file comes."""
    url = store.shown(name)
    if name != f"{manifest.name}/{manifest.version}":
        raise BundleError(
            f"{url} holds model {manifest.name}, version {manifest.version}; it belongs to "
            f"{store.shown(manifest.name, manifest.version)}"
        )
    check_names(url, manifest)
    if meant := _NOT_LISTED & manifest.files.keys():
        raise BundleError(f"{url}: the manifest lists {', '.join(sorted(meant))}")
    for file, size in manifest.sizes.items():
        if size > bound_of(file):
            raise BundleError(f"{url}: {file} has {size} bytes, more than are read")
    wanted, free = sum(manifest.sizes.values()), folder.free_bytes() - _ROOM_LEFT_BYTES
    if wanted > free:
        raise BundleError(
            f"{url} has {wanted >> 20} MiB, and there is room for {max(0, free) >> 20} MiB in "
            f"{folder.path}; make room there"
        )


def _check_signature(
    store: Store, name: str, content: bytes, incoming: Path, keys: TrustedKeys
) -> None:
    try:
        keys.signer_of(incoming, content, (Path(os.path.realpath(incoming)),))
    except BundleError as error:
        raise BundleError(str(error).replace(str(incoming), store.shown(name))) from None


def _take_beside(store: Store, name: str, file: str, incoming: Path) -> None:
    """Takes a file that may be there, and that the manifest does not list."""
    try:
        content = store.read(name, file, most_bytes=RECORD_BYTES)
    except (FileNotFoundError, PermissionError):
        return
    write_atomically(incoming / file, content)


def _take(store: Store, name: str, file: str, manifest: Manifest, incoming: Path) -> None:
    size, digest, count = manifest.sizes.get(file), hashlib.sha256(), 0
    most_bytes = bound_of(file) if size is None else size
    # A new file: no link that somebody put there is followed.
    with (incoming / file).open("xb") as to:
        for chunk in _chunks(store, name, file, most_bytes):
            to.write(chunk)
            digest.update(chunk)
            count += len(chunk)
        to.flush()
        os.fsync(to.fileno())
    url = store.shown(name, file)
    if size is not None and count != size:
        raise BundleError(f"{url} has {count} bytes instead of {size}; {_REMEDY}")
    if digest.hexdigest() != manifest.files[file]:
        raise BundleError(
            f"{url} is not the file that was exported: its SHA-256 is {digest.hexdigest()}, and "
            f"the manifest says {manifest.files[file]}; {_REMEDY}"
        )


def _chunks(store: Store, name: str, file: str, most_bytes: int) -> Iterator[bytes]:
    url = store.shown(name, file)
    try:
        yield from store.chunks(name, file, most_bytes=most_bytes)
    except FileNotFoundError:
        raise BundleError(f"{url} is not there, though the manifest lists it; {_REMEDY}") from None
    except PermissionError:
        raise BundleError(f"{url} may not be read; {_REMEDY}") from None
