"""The recipes of a server as a station keeps them, and which of them a part's code names."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from takt_station.inspector import StationRecipe


@dataclass(frozen=True, slots=True)
class NoneNamed:
    """A code names no recipe that the station can have a part inspected by.

    Attributes:
        why: in words.
        number: of no recipe.
    """

    why: str
    number: Literal[0] = 0


class RecipeList:
    """The recipes as they were when somebody asked for them last.

    A code names the recipe one of whose patterns it matches as a whole, as `fnmatch` has them, with
    capitals told from small letters. It names none where it matches those of two recipes, as nobody
    knows then which of them is meant.

    >>> plate = StationRecipe(1, "plate", ("top",), codes=("AB-*", "AC-?"))
    >>> lid = StationRecipe(2, "lid", ("top",), codes=("CD-*",))
    >>> known = RecipeList([plate, lid], cameras=["top"])
    >>> known.named_by("CD-17") == lid
    True
    >>> known.named_by("ab-17").why
    'no recipe has the code ab-17'

    Where no recipe has a pattern, codes say nothing of recipes:

    >>> RecipeList([StationRecipe(1, "plate", ("top",))], ["top"]).named_by("CD-17") is None
    True

    Args:
        recipes: of the server; None as long as nobody could be asked.
        cameras: names of the views that the station takes.
    """

    def __init__(self, recipes: Sequence[StationRecipe] | None, cameras: Iterable[str]) -> None:
        self.recipes = recipes
        self._patterns: Mapping[StationRecipe, re.Pattern[str]] | None = None
        if recipes is not None:
            self._patterns = {one: _pattern(one.codes) for one in recipes if one.codes}
        self._cameras = frozenset(cameras)
        self._latest: tuple[str | None, StationRecipe | NoneNamed | None] = "", None

    def named_by(self, code: str | None) -> StationRecipe | NoneNamed | None:
        """The recipe of a part with a code.

        Args:
            code: as it was read; empty where there is none, None where it is no text.

        Returns:
            The recipe that it names, or why it names none; None where codes say nothing of recipes,
            and where there is no code.
        """
        if self._latest[0] != code:
            # The controller says the same with every write.
            self._latest = code, self._found(code)
        return self._latest[1]

    def _found(self, code: str | None) -> StationRecipe | NoneNamed | None:
        if code == "":
            return None
        if self._patterns is None:
            return NoneNamed("the recipes of the server are not known yet")
        if not self._patterns:
            return None
        if code is None:
            return NoneNamed("its code cannot be read, as that is no printable ASCII")
        found = [one for one, pattern in self._patterns.items() if pattern.fullmatch(code)]
        if not found:
            return NoneNamed(f"no recipe has the code {code}")
        if len(found) > 1:
            names = ", ".join(one.name for one in found)
            return NoneNamed(f"several recipes have the code {code}: {names}")
        if missing := found[0].views_without(self._cameras):
            return NoneNamed(f"recipe {found[0].name} has views without a camera: {missing}")
        return found[0]


# A list that is new has few recipes that are, and parts may be under way.
@lru_cache(maxsize=4096)
def _pattern(codes: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(one) for one in codes))
