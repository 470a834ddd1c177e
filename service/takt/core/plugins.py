"""Plugins: what other distributions add, found through entry points.

Outlets and parts act in a server, and are loaded only where the setting `plugins` names them. A
family of detectors is there for who installs it, as what it computes is chosen with each model. A
controller is loaded by a station whose file names it.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from takt.core.errors import ConfigurationError

Made = TypeVar("Made")

OUTLETS = "takt.outlets"
PARTS = "takt.parts"
FAMILIES = "takt.families"
CONTROLLERS = "takt.controllers"
KINDS = {OUTLETS: "outlet", PARTS: "part", FAMILIES: "family", CONTROLLERS: "controller"}
"""What a plugin of each group is."""
VARIABLES = "TAKT_PLUGIN_"
"""What the variables of all plugins begin with in the environment."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that is installed; it is not imported until it is loaded.

    Attributes:
        entry_point: its name, its group, and where its object is.
        distribution: what has installed it.
        version: of the distribution.
    """

    entry_point: importlib.metadata.EntryPoint
    distribution: str
    version: str

    @property
    def name(self) -> str:
        """What the setting `plugins` calls it."""
        return self.entry_point.name

    @property
    def kind(self) -> str:
        """What it is."""
        return "family" if self.is_always_on else KINDS[self.entry_point.group]

    @property
    def is_always_on(self) -> bool:
        """It is there wherever it is installed."""
        return self.entry_point.group.startswith(FAMILIES)

    def refusal(self, what: str, error: BaseException) -> ConfigurationError:
        """Says that it cannot be used, why, and what to do."""
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        or_else = "uninstall it" if self.is_always_on else "take it out of the setting plugins"
        if self.entry_point.group == CONTROLLERS:
            or_else = "name another protocol in the station's file"
        return ConfigurationError(
            f"the plugin {self.name} ({self.kind}, {self.distribution} {self.version}) cannot be "
            f"{what}: {said}; mend it, or {or_else}"
        )

    def load(self) -> object:
        """What it declares, which is imported now.

        Raises:
            ConfigurationError: it fails when it is imported.
        """
        try:
            return self.entry_point.load()
        # A module may do anything as it is imported, and end the process as well.
        except (Exception, SystemExit) as error:
            raise self.refusal("loaded", error) from error

    def load_as(self, kind: type[Made]) -> Made:
        """What it declares, which has to be of a kind.

        Raises:
            ConfigurationError: it fails when it is imported, or is of another kind.
        """
        if not isinstance(found := self.load(), kind):
            said = f"{self.entry_point.value} is {type(found).__name__}, no {kind.__name__}"
            raise self.refusal("used", TypeError(said))
        return found


def installed() -> list[Plugin]:
    """The plugins of every distribution that is installed, by name; none is imported."""
    found = [one for group in KINDS for one in declared_in(group)]
    return sorted(found, key=lambda one: (one.name, one.kind, one.distribution))


def declared_in(group: str) -> list[Plugin]:
    """What every distribution that is installed declares in a group of entry points."""
    return [
        Plugin(one, *_distribution_of(one)) for one in importlib.metadata.entry_points(group=group)
    ]


def load(group: str, names: Iterable[str]) -> dict[str, object]:
    """Import those of the named plugins that are of a group.

    >>> load(OUTLETS, [])
    {}

    Args:
        group: OUTLETS or PARTS.
        names: of plugins of any group.

    Returns:
        Each one's object by its name, in the order of the names.

    Raises:
        ConfigurationError: one is not installed, is there twice, or fails when it is imported.
    """
    return {plugin.name: plugin.load() for plugin in select(group, names)}


def make(plugin: Plugin, factory: object, given: object, *kinds: type[Made]) -> Made:
    """What a plugin's function makes of what it is given.

    Args:
        plugin: whose function it is.
        factory: the object that was loaded.
        given: its argument.
        kinds: of what it has to make, which is one of them.

    Raises:
        ConfigurationError: it is no function, fails, or makes something else.
    """
    try:
        if not callable(factory):
            raise ConfigurationError(f"{plugin.entry_point.value} is no function")
        made = factory(given)
        if not isinstance(made, kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise ConfigurationError(
                f"{plugin.entry_point.value} gives {type(made).__name__}, no {wanted}"
            )
    # A function of somebody else's may do anything, and end the process as well.
    except (Exception, SystemExit) as error:
        raise plugin.refusal("opened", error) from error
    return made


def select(group: str, names: Iterable[str]) -> list[Plugin]:
    """Those of the named plugins that are of a group, in the order of the names; none is imported.

    Raises:
        ConfigurationError: one is not installed, or is there twice.
    """
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return []
    known = installed()
    selected = []
    for name in wanted:
        of_name = [one for one in known if one.name == name]
        if not of_name:
            to_name = [one.name for one in known if one.entry_point.group != CONTROLLERS]
            there = ", ".join(dict.fromkeys(to_name)) or "none"
            raise ConfigurationError(
                f"the plugin {name} is not installed; those that are: {there}. Install it where "
                "the server runs, or take it out of the setting plugins"
            )
        of_group = [one for one in of_name if one.entry_point.group == group]
        if len(of_group) > 1:
            theirs = " and ".join(one.distribution for one in of_group)
            raise ConfigurationError(
                f"the {of_group[0].kind} {name} is installed by {theirs}; uninstall all but one"
            )
        selected += of_group
    return selected


def variables_prefix(name: str) -> str:
    """What the variables of one plugin begin with.

    >>> variables_prefix("line-3.rejects")
    'TAKT_PLUGIN_LINE_3_REJECTS_'
    """
    return f"{VARIABLES}{re.sub('[^A-Z0-9]', '_', name.upper())}_"


def _distribution_of(entry_point: importlib.metadata.EntryPoint) -> tuple[str, str]:
    """Name and version of what has installed an entry point."""
    distribution = entry_point.dist
    if distribution is None:
        return "an unknown distribution", "?"
    # Files that somebody has made or cut by hand may lack either.
    return distribution.metadata["Name"] or "?", distribution.metadata["Version"] or "?"
