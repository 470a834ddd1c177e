"""Families of other distributions are there for who installs them; a broken one is told by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from takt.core.errors import ConfigurationError
from takt.core.families import every
from takt.core.plugins import FAMILIES
from tests.conftest import InstallPlugins

FACTS = "from takt.core.families.family import Family; FACTS = Family({name!r}, 'Made Up')"


@pytest.fixture(autouse=True)
def read_anew() -> Iterator[None]:
    def forget() -> None:
        for one in (every.every, every._in_role):
            one.cache_clear()

    forget()
    yield
    forget()


def add(install_plugins: InstallPlugins, text: str, name: str = "brightness") -> None:
    install_plugins({FAMILIES: {name: "made_up_facts:FACTS"}}, {"made_up_facts": text})


def test_a_family_of_another_distribution_comes_after_ours(install_plugins: InstallPlugins) -> None:
    add(install_plugins, FACTS.format(name="brightness"))

    assert every.every() == (*every.OURS, every.named("brightness"))
    assert every.named("brightness").title == "Made Up"
    assert every.declared("brightness", "learning", object) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "cannot be loaded: ZeroDivisionError: division by zero"),
        ("raise SystemExit", "cannot be loaded: SystemExit"),
        (
            "FACTS = 'brightness'",
            "cannot be used: TypeError: made_up_facts:FACTS is str, no Family",
        ),
        (FACTS.format(name="contrast"), "cannot be used: ValueError: its facts are of 'contrast'"),
    ],
)
def test_one_that_cannot_be_used_is_refused_by_name_distribution_and_reason(
    install_plugins: InstallPlugins, text: str, said: str
) -> None:
    add(install_plugins, text)

    with pytest.raises(ConfigurationError) as refused:
        every.every()
    told = str(refused.value)
    assert f"the plugin brightness (family, takt-made-up 1.2.3) {said}" in told
    assert told.endswith("mend it, or uninstall it")


def test_one_that_has_the_name_of_ours_is_refused(install_plugins: InstallPlugins) -> None:
    add(install_plugins, FACTS.format(name="patchcore"), "patchcore")

    with pytest.raises(ConfigurationError, match="another family has this name"):
        every.every()


def test_what_a_role_has_is_of_its_kind(install_plugins: InstallPlugins) -> None:
    groups = {
        FAMILIES: {"brightness": "made_up_facts:FACTS"},
        f"{FAMILIES}.learning": {"brightness": "made_up_facts:FACTS"},
    }
    install_plugins(groups, {"made_up_facts": FACTS.format(name="brightness")})

    with pytest.raises(ConfigurationError, match="made_up_facts:FACTS is Family, no str"):
        every.declared("brightness", "learning", str)
