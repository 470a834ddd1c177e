"""Each attack on a bundle is refused; `tests/hostile` measures how quickly and how cheaply."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.errors import TaktError
from tests.hostile.bundles import ATTACKS, Attack, attacked
from tests.hostile.read_bundle import read_as_a_server


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_a_tampered_bundle_is_refused_and_the_file_is_named(
    bundle: Bundle, tmp_path: Path, attack: Attack
) -> None:
    path = attacked(attack, tmp_path / "attacked", bundle.path)

    with pytest.raises(TaktError, match=re.escape(attack.file)):
        read_as_a_server(path)
