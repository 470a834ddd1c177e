"""Defects that a version was taught with: what it knows by heart says nothing of what it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.taught import JUDGEMENTS, defects_taught
from takt.core.errors import BundleError
from takt_export.errors import PicturesError
from takt_models.checkpoints.picture_digest import picture_digest

_DIGITS = 16
"""Of a SHA-256, those that `picture_digest` gives."""


def judgements_of(bundle: Bundle) -> bytes:
    """The lines of the pictures that a version was taught with; empty where it keeps none."""
    if JUDGEMENTS not in bundle.manifest.files:
        return b""
    return (bundle.content / JUDGEMENTS).read_bytes()


def digests_taught(lines: bytes) -> frozenset[str]:
    """`picture_digest` of each defect of such lines.

    Raises:
        BundleError: they cannot be understood.
    """
    try:
        return frozenset(digest[:_DIGITS] for digest in defects_taught(lines))
    except (KeyError, ValueError) as error:
        raise BundleError(
            f"{JUDGEMENTS} of a version cannot be understood ({error}): learn the model anew, and "
            "teach that version"
        ) from None


def known_defects(
    defects: Sequence[Path], taught: frozenset[str], tell: Callable[[str], None]
) -> list[Path]:
    """The defects that a version was not taught with; tells how many it was.

    Args:
        defects: pictures of defective parts.
        taught: `picture_digest` of each that taught the version.
        tell: takes a line about those that are left out.

    Raises:
        PicturesError: a file cannot be read.
    """
    if not taught:
        return [*defects]
    try:
        known = [path for path in defects if picture_digest(path) not in taught]
    except OSError as error:
        raise PicturesError(f"{error.filename}: {error.strerror}") from error
    if count := len(defects) - len(known):
        tell(
            f"warning: {count} of {len(defects)} defects taught the version. What is known by "
            "heart is no evidence, so that none of these counts as a known defect"
        )
    return known
