"""`takt plugins`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from takt.commands.plugins import plugins
from takt.core.plugins import FAMILIES, OUTLETS
from tests.conftest import InstallPlugins


@pytest.fixture
def two(install_plugins: InstallPlugins) -> None:
    """A distribution with two plugins that cannot be imported."""
    groups = {
        OUTLETS: {"rejects": "made_up_broken:outlet"},
        FAMILIES: {"brightness": "made_up_broken:FAMILY"},
    }
    install_plugins(groups, {"made_up_broken": "1 / 0"})


def rows(output: str) -> list[list[str]]:
    return [line.split() for line in output.splitlines()]


@pytest.mark.usefixtures("two")
def test_it_lists_what_is_installed_and_what_is_on_and_imports_nothing() -> None:
    told = CliRunner().invoke(plugins, [], env={"TAKT_PLUGINS": "rejects"})
    assert told.exit_code == 0
    assert rows(told.output) == [
        ["plugin", "kind", "distribution", "version", "state"],
        ["brightness", "family", "takt-made-up", "1.2.3", "on"],
        ["rejects", "outlet", "takt-made-up", "1.2.3", "on"],
    ]
    assert "made_up_broken" not in sys.modules


@pytest.mark.usefixtures("two")
def test_the_settings_file_says_what_is_on_as_well(tmp_path: Path) -> None:
    file = tmp_path / "takt.toml"
    file.write_text('plugins = ["rejects"]')
    told = CliRunner().invoke(plugins, ["--config", str(file)])
    assert [row[-1] for row in rows(told.output)] == ["state", "on", "on"]


@pytest.mark.usefixtures("two")
def test_one_that_is_on_and_not_installed_is_told_by_the_exit_status_too() -> None:
    told = CliRunner().invoke(plugins, [], env={"TAKT_PLUGINS": "rejects, archive"})
    assert told.exit_code == 1
    assert rows(told.output)[-1] == ["archive", "not", "installed"]


def test_where_there_is_none_it_says_so() -> None:
    told = CliRunner().invoke(plugins, [], env={"TAKT_PLUGINS": ""})
    assert (told.exit_code, told.output) == (0, "no plugin is installed\n")


def test_settings_that_cannot_be_read_are_told_in_one_line() -> None:
    told = CliRunner().invoke(plugins, ["--config", "none.toml"])
    assert told.exit_code == 1
    assert told.output.startswith("Error: the settings file none.toml cannot be read")
