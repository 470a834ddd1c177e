"""The files that a manifest lists, opened and held to what it says of them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import BinaryIO

from takt.core.bundles.content.graph_references import referenced_files
from takt.core.bundles.manifest import Manifest
from takt.core.bundles.reading import digest_of, foreign_errors, missing, open_file
from takt.core.bundles.signing.private_copy import PrivateCopy
from takt.core.errors import BundleError

MOST_FILES = 64
GRAPH_BYTES = 2 << 30
"""Largest graph and largest file of weights: a protocol buffer cannot be larger."""

ONNX_SUFFIXES = (".onnx", ".engine")

_XML_BYTES = 64 << 20
_OTHER_BYTES = 64 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@contextlib.contextmanager
def open_listed(
    path: Path,
    manifest: Manifest,
    within: Sequence[Path],
    most_bytes: Mapping[str, int],
    copy: PrivateCopy | None = None,
) -> Iterator[dict[str, BinaryIO]]:
    """Opens all files that the manifest lists, and checks each; by name.

    What costs nothing is checked for all files before the first one is read.

    Args:
        path: folder of the bundle.
        manifest: lists the files.
        within: folders out of which no link may lead.
        most_bytes: bounds of some files, by name; graphs and weights have one of their own.
        copy: takes a copy of each file, which is opened in its place before it is checked.

    Raises:
        BundleError: a file is missing, is too large, is another than the manifest says, lies
            elsewhere, or is a graph that needs a file that is not listed.
    """
    check_names(path, manifest)
    with contextlib.ExitStack() as opened:
        streams = {}
        for name in manifest.files:
            try:
                bound = most_bytes.get(name, bound_of(name))
                streams[name] = opened.enter_context(open_file(path / name, within, bound))
            except FileNotFoundError:
                raise missing(path / name) from None
            listed, found = manifest.sizes.get(name), streams[name].seek(0, 2)
            if listed is not None and listed != found:
                raise _changed(path / name, f": it has {found} bytes instead of {listed}")
            # OpenVINO takes weights from the file of the same name, if there is one.
            weights = PurePath(name).with_suffix(".bin").name
            if name.endswith(".xml") and (path / weights).exists():
                _check_listed(path / name, [weights], manifest)
        if copy is not None:
            for name, stream in streams.items():
                streams[name] = opened.enter_context(copy.take(name, stream))
        for name, stream in streams.items():
            _check_content(path, name, stream, manifest)
            stream.seek(0)
        yield streams


def check_names(path: Path | str, manifest: Manifest) -> None:
    """Refuses names of files that no bundle has.

    Args:
        path: of the bundle, to name in errors.
        manifest: lists the files.

    Raises:
        BundleError: there are too many, or one lies elsewhere.
    """
    if len(manifest.files) > MOST_FILES:
        raise BundleError(f"{path}: the manifest lists more than {MOST_FILES} files")
    for name in manifest.files:
        if not _NAME.fullmatch(name):
            raise BundleError(
                f"{path}: the manifest names a file outside the bundle: {name[:80]!r}"
            )


def bound_of(name: str) -> int:
    """The most bytes that a listed file may have."""
    match PurePath(name).suffix:
        case ".onnx" | ".engine" | ".bin":
            return GRAPH_BYTES
        case ".xml":
            return _XML_BYTES
        case _:
            return _OTHER_BYTES


def _check_content(path: Path, name: str, stream: BinaryIO, manifest: Manifest) -> None:
    needed: set[str] = set()
    with foreign_errors(path / name, BundleError):
        if digest_of(stream) != manifest.files[name]:
            raise _changed(path / name)
        if name.endswith(ONNX_SUFFIXES):
            needed = referenced_files(path / name, stream)
    _check_listed(path / name, sorted(needed), manifest)


def _check_listed(graph: Path, needed: Iterable[str], manifest: Manifest) -> None:
    for file in needed:
        if file not in manifest.files:
            raise BundleError(
                f"{graph} takes weights from {file[:80]!r}, which the manifest does not list"
            )


def _changed(file: Path, how: str = "") -> BundleError:
    return BundleError(f"{file} is not the file that was exported{how}; export it again")
