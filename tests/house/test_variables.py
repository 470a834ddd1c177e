"""Variables of the environment: a server warns of those that nobody reads."""

import os
import re
from pathlib import Path

import pytest

from takt.configuration import unknown_variables
from tests.tree import tracked

ROOT = Path(__file__).parents[2]
MADE_UP = ("CHANGELOG.md", "tests/unit/service/test_settings.py")
"""Files that name variables that nobody reads."""


def test_every_variable_that_something_of_ours_reads_is_a_setting_or_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = {
        name.decode()
        for path in tracked()
        if path not in MADE_UP and (ROOT / path).is_file()
        for name in re.findall(rb"TAKT_[A-Z_]+[A-Z]", (ROOT / path).read_bytes())
        if not name.startswith(b"TAKT_PLUGIN")  # known while the plugin is on
    }
    assert "TAKT_KEY" in listed
    monkeypatch.setattr(os, "environ", dict.fromkeys(listed, ""))
    assert unknown_variables() == [], "list it in service/takt/configuration.py, with who reads it"
