"""The list of all families, and what of them can be looked up.

A family is a package with these modules, of which the first is needed; each has one name that is
looked up:

    facts.py        FACTS, a `takt_families.family.Family`
    checkpoints.py  CHECKPOINTS, a `takt_models.checkpoints.family.FamilyCheckpoints`
    learning.py     LEARNING, an `takt_export.learning.family.FamilyLearning`
    command.py      COMMAND, a command of `takt fit`
    graph.py        REWRITTEN, a function from a model to the form of it whose graph runs faster
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterable
from types import ModuleType

from takt_families.family import Family

FAMILIES = (
    "takt_families.patchcore",
    "takt_families.efficientad",
    "takt_families.inpformer",
    "takt_families.dinomaly",
)
"""Each family by its package. The first is learned where nobody names one."""


PLUGINS = "TAKT_PLUGINS"
"""The variable with the names of the plugins that are on, with commas between."""
GROUP = "takt.families"
"""Entry points of families in other distributions; each names its package."""


def every() -> tuple[Family, ...]:
    """The facts of all families, those of plugins last."""
    return tuple(_facts_of(package) for package in _packages())


def known(name: str) -> Family | None:
    """The facts of a family; None of one that is not listed, as imported graphs may be.

    >>> known("efficientad").a_title, known("other")
    ('an EfficientAD', None)
    """
    return next((one for one in every() if one.name == name), None)


def named(name: str) -> Family:
    """The facts of a family that is listed.

    Raises:
        KeyError: it is not.
    """
    return {one.name: one for one in every()}[name]


def learnable() -> tuple[Family, ...]:
    """The families that can be learned, the usual one first."""
    return tuple(one for one in every() if one.fit_s is not None)


def usual() -> Family:
    """The family that is learned where nobody names one."""
    return learnable()[0]


def module_of(name: str, module: str) -> ModuleType | None:
    """A module of a family's folder, which is loaded now.

    Args:
        name: of the family.
        module: such as `checkpoints`.

    Returns:
        None if the family is not listed, or has no such module.
    """
    for package in _packages():
        if _facts_of(package).name == name:
            path = f"{package}.{module}"
            return importlib.import_module(path) if importlib.util.find_spec(path) else None
    return None


def names_of(families: Iterable[Family], word: str = "or") -> str:
    """The names of families in a sentence; at least one family.

    >>> names_of(learnable()), names_of([usual()])
    ('patchcore, efficientad or inpformer', 'patchcore')
    """
    *first, last = (one.name for one in families)
    return f"{', '.join(first)} {word} {last}" if first else last


def _packages() -> tuple[str, ...]:
    """Those of the list, and those of the plugins that the environment names."""
    names = [name for one in os.environ.get(PLUGINS, "").split(",") if (name := one.strip())]
    if not names:
        return FAMILIES
    found = {one.name: one.value for one in importlib.metadata.entry_points(group=GROUP)}
    return (*FAMILIES, *(found[name] for name in names if name in found))


def _facts_of(package: str) -> Family:
    facts: Family = importlib.import_module(f"{package}.facts").FACTS
    return facts
