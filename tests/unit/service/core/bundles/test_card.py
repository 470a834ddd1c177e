"""The card beside a bundle's manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from takt.core.bundles.card import CARD, read_card
from takt.core.errors import BundleError


def test_a_card_is_read_whatever_its_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "parts" / "1"
    folder.mkdir(parents=True)
    assert read_card(folder) is None
    (folder / CARD).write_bytes(b"# parts \xff")
    assert read_card(folder) == "# parts \N{REPLACEMENT CHARACTER}"


def test_a_card_of_a_megabyte_and_more_is_refused(tmp_path: Path) -> None:
    (tmp_path / CARD).write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(BundleError, match="more than"):
        read_card(tmp_path)
