"""The list of all families, and what distributions declare of each.

A distribution declares a family by entry points, each under the family's name. The first is needed:

    takt.families              its facts, a `takt.core.families.family.Family`
    takt.families.checkpoints  how its files are read, a `FamilyCheckpoints` of `takt_models`
    takt.families.learning     how it is fitted, a `FamilyLearning` of `takt_export`
    takt.families.command      a command of `takt fit`
    takt.families.graph        a function from a model to the form of it whose graph runs faster

Who installs such a distribution has the family: in commands, in a server and in what learns for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Literal, TypeVar

from takt.core.families.family import Family
from takt.core.families.ours import DINOMALY, EFFICIENTAD, INPFORMER, PATCHCORE
from takt.core.plugins import FAMILIES, Plugin, declared_in

OURS = (PATCHCORE, EFFICIENTAD, INPFORMER, DINOMALY)
"""The first is learned where nobody names one."""

Role = Literal["checkpoints", "learning", "command", "graph"]
Declared = TypeVar("Declared")


@cache
def every() -> tuple[Family, ...]:
    """The facts of all families, ours first.

    Raises:
        ConfigurationError: a distribution's family cannot be loaded, or has another's name.
    """
    families = list(OURS)
    for plugin in sorted(declared_in(FAMILIES), key=lambda one: one.name):
        family = plugin.load_as(Family)
        if family.name != plugin.name:
            raise plugin.refusal("used", ValueError(f"its facts are of {family.name!r}"))
        if family.name in (one.name for one in families):
            raise plugin.refusal("used", ValueError("another family has this name"))
        families.append(family)
    return tuple(families)


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


def declared(name: str, role: Role, kind: type[Declared]) -> Declared | None:
    """What a family's distribution declares in a role, which is imported now.

    Args:
        name: of the family.
        role: which of its entry points.
        kind: of what the role has.

    Returns:
        None if the family is not listed, or declares nothing there.

    Raises:
        ConfigurationError: it cannot be loaded, or is of another kind.
    """
    if known(name) is None:
        return None
    plugins = [one for one in _in_role(role) if one.name == name]
    return plugins[0].load_as(kind) if plugins else None


@cache
def _in_role(role: Role) -> list[Plugin]:
    return declared_in(f"{FAMILIES}.{role}")


def names_of(families: Iterable[Family], word: str = "or") -> str:
    """The names of families in a sentence; at least one family.

    >>> names_of(learnable()), names_of([usual()])
    ('patchcore, efficientad or inpformer', 'patchcore')
    """
    *first, last = (one.name for one in families)
    return f"{', '.join(first)} {word} {last}" if first else last
