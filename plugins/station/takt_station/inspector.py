"""What a station asks about a part, and of whom."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from takt.core.errors import TaktError
from takt.sources.pacing import Shot
from takt_station.cycle.effects import PartDecision, PartInCycle


@dataclass(frozen=True, slots=True)
class StationRecipe:
    """A recipe as a station needs it.

    Attributes:
        number: by which the controller names it.
        name: of the recipe on the server.
        views: names of the views that a part has; each is taken by the camera of that name.
        revision: of the recipe.
        codes: patterns of the codes of its parts.
    """

    number: int
    name: str
    views: tuple[str, ...]
    revision: int = 1
    codes: tuple[str, ...] = ()

    def views_without(self, cameras: Collection[str]) -> str:
        """The names of the views that none of these cameras takes; empty if there are none."""
        return ", ".join(sorted(set(self.views) - set(cameras)))


class InspectorAwayError(TaktError):
    """Nobody can be asked for a recipe now."""

    code = "inspector_away"
    title = "Inspector away"


class PartInspector(Protocol):
    """Judges parts."""

    async def ready(self) -> bool:
        """Whether it can judge now; nothing is raised."""

    async def recipe(self, number: int) -> StationRecipe | None:
        """The recipe of a number; None where there is none.

        Raises:
            InspectorAwayError: nobody can be asked.
        """

    async def recipes(self) -> tuple[StationRecipe, ...]:
        """All recipes, as they are.

        Raises:
            InspectorAwayError: nobody can be asked.
        """

    async def inspect(
        self, part: PartInCycle, recipe: StationRecipe, shots: Mapping[str, Shot], left_s: float
    ) -> PartDecision:
        """Judge a part; nothing is raised.

        Args:
            part: the part.
            recipe: by which it is judged.
            shots: the picture of each view.
            left_s: time until its result is due.
        """

    async def missed(self, part: PartInCycle, recipe: StationRecipe) -> None:
        """Hear that there is no picture of a part; nothing is raised.

        Args:
            part: the part.
            recipe: by which it would have been judged.
        """
