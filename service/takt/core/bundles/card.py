"""`card.md` of a bundle: its model card, which `takt card` writes for people."""

from __future__ import annotations

from pathlib import Path

from takt.core.bundles.reading import RECORD_BYTES, read_file, surroundings

CARD = "card.md"
"""Name of the file; like `host.json`, it is not listed in the manifest, and so not signed."""


def read_card(folder: Path, repository: Path | None = None) -> str | None:
    """A bundle's card in Markdown; None where it has none.

    Args:
        folder: of the bundle.
        repository: out of which no link may lead; the bundle's own surroundings if None.

    Raises:
        BundleError: the file cannot be read, or is larger than a card can be.
    """
    try:
        content = read_file(folder / CARD, surroundings(folder, repository), RECORD_BYTES)
    except FileNotFoundError:
        return None
    return content.decode("utf-8", errors="replace")
