"""Plugins are found without being imported, and loaded only by name."""

from __future__ import annotations

import sys

import pytest

from takt.core.errors import ConfigurationError
from takt.core.plugins import CONTROLLERS, FAMILIES, OUTLETS, PARTS, installed, load
from tests.conftest import InstallPlugins


@pytest.fixture
def four(install_plugins: InstallPlugins) -> None:
    """A distribution with a plugin of each kind; a server loads the first three."""
    groups = {
        OUTLETS: {"rejects": "made_up_outlet:outlet"},
        PARTS: {"audit": "made_up_part:part"},
        FAMILIES: {"brightness": "made_up_family:FAMILY"},
        CONTROLLERS: {"lines": "made_up_controller:Section"},
    }
    modules = {
        "made_up_outlet": "outlet = 'an outlet'",
        "made_up_part": "part = 'a part'",
        "made_up_family": "FAMILY = 'a family'",
    }
    install_plugins(groups, modules)


@pytest.mark.usefixtures("four")
def test_all_that_are_installed_are_listed_and_none_is_imported() -> None:
    found = [(one.name, one.kind, one.distribution, one.version) for one in installed()]
    assert [one for one in found if one[2] != "takt-station"] == [
        ("audit", "part", "takt-made-up", "1.2.3"),
        ("brightness", "family", "takt-made-up", "1.2.3"),
        ("lines", "controller", "takt-made-up", "1.2.3"),
        ("rejects", "outlet", "takt-made-up", "1.2.3"),
    ]
    assert not [name for name in sys.modules if name.startswith("made_up")]


@pytest.mark.usefixtures("four")
def test_only_what_is_named_is_imported() -> None:
    assert load(OUTLETS, []) == {}
    assert load(OUTLETS, ["audit"]) == {}
    assert not [name for name in sys.modules if name.startswith("made_up")]
    assert load(OUTLETS, ["rejects", "audit"]) == {"rejects": "an outlet"}
    assert [name for name in sys.modules if name.startswith("made_up")] == ["made_up_outlet"]


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        (OUTLETS, "rejects", "an outlet"),
        (PARTS, "audit", "a part"),
    ],
)
def test_every_kind_is_loaded_alike(group: str, name: str, value: str) -> None:
    assert load(group, [name]) == {name: value}


@pytest.mark.usefixtures("four")
def test_an_unknown_name_is_refused_with_those_that_are_installed() -> None:
    with pytest.raises(ConfigurationError, match="plugin reject is not") as refused:
        load(OUTLETS, ["reject"])
    assert "audit, brightness, rejects." in str(refused.value)
    assert "take it out of the setting plugins" in str(refused.value)


def test_where_none_is_installed_a_refusal_says_so() -> None:
    with pytest.raises(ConfigurationError, match="those that are: none"):
        load(OUTLETS, ["rejects"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("raise SystemExit", "SystemExit"),
        ("", "AttributeError: module 'made_up_broken' has no attribute 'outlet'"),
    ],
)
def test_one_that_fails_when_it_is_imported_is_refused_by_name_distribution_and_reason(
    install_plugins: InstallPlugins, text: str, said: str
) -> None:
    groups = {OUTLETS: {"rejects": "made_up_broken:outlet"}}
    install_plugins(groups, {"made_up_broken": text})
    with pytest.raises(ConfigurationError) as refused:
        load(OUTLETS, ["rejects"])
    told = str(refused.value)
    assert "plugin rejects (outlet, takt-made-up 1.2.3) cannot be loaded" in told
    assert said in told
    assert told.endswith("mend it, or take it out of the setting plugins")


def test_two_of_one_name_and_kind_are_refused(install_plugins: InstallPlugins) -> None:
    groups = {OUTLETS: {"rejects": "made_up_outlet:outlet"}}
    for name in ("takt-one", "takt-other"):
        install_plugins(groups, {}, name)
    with pytest.raises(ConfigurationError, match="installed by takt-one and takt-other"):
        load(OUTLETS, ["rejects"])
