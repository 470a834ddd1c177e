"""`takt plugins`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from takt.commands.plugins import plugins
from takt.core.plugins import CONTROLLERS, FAMILIES, OUTLETS
from tests.conftest import InstallPlugins


@pytest.fixture
def three(install_plugins: InstallPlugins) -> None:
    """A distribution with plugins that cannot be imported."""
    groups = {
        OUTLETS: {"rejects": "made_up_broken:outlet"},
        FAMILIES: {"brightness": "made_up_broken:FAMILY"},
        CONTROLLERS: {"lines": "made_up_broken:Section"},
    }
    install_plugins(groups, {"made_up_broken": "1 / 0"})


def rows(output: str) -> list[list[str]]:
    """The cells of each line, without what Takt's own packages bring."""
    cells = [re.split("  +", line) for line in output.splitlines()]
    return [row for row in cells if "takt-station" not in row]


@pytest.mark.usefixtures("three")
def test_it_lists_what_is_installed_and_what_is_on_and_imports_nothing() -> None:
    told = CliRunner().invoke(plugins, [], env={"TAKT_PLUGINS": "rejects"})
    assert told.exit_code == 0
    assert rows(told.output) == [
        ["plugin", "kind", "distribution", "version", "state"],
        ["brightness", "family", "takt-made-up", "1.2.3", "on"],
        ["lines", "controller", "takt-made-up", "1.2.3", "by a station's file"],
        ["rejects", "outlet", "takt-made-up", "1.2.3", "on"],
    ]
    assert "made_up_broken" not in sys.modules


@pytest.mark.usefixtures("three")
def test_the_settings_file_says_what_is_on_as_well(tmp_path: Path) -> None:
    file = tmp_path / "takt.toml"
    file.write_text('plugins = ["rejects"]')
    told = CliRunner().invoke(plugins, ["--config", str(file)])
    assert [row[-1] for row in rows(told.output)] == ["state", "on", "by a station's file", "on"]


@pytest.mark.usefixtures("three")
def test_one_that_is_on_and_not_installed_is_told_by_the_exit_status_too() -> None:
    told = CliRunner().invoke(plugins, [], env={"TAKT_PLUGINS": "rejects, archive"})
    assert told.exit_code == 1
    assert rows(told.output)[-1] == ["archive", "not installed"]


def test_where_there_is_none_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [])
    told = CliRunner().invoke(plugins, [], env={"TAKT_PLUGINS": ""})
    assert (told.exit_code, told.output) == (0, "no plugin is installed\n")


def test_settings_that_cannot_be_read_are_told_in_one_line() -> None:
    told = CliRunner().invoke(plugins, ["--config", "none.toml"])
    assert told.exit_code == 1
    assert told.output.startswith("Error: the settings file none.toml cannot be read")
