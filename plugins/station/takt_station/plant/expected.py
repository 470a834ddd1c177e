"""What a server thinks of a plant's pictures, and how long that takes it.

By the one another part's result is found out, by the other how fast parts may pass.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final

from takt_client import AsyncTaktClient, PartResult, TaktError
from takt_client.connection import ServerAccess
from takt_station.plant.conveyor import Conveyor, PartPictures
from takt_station.plant.layout import PlantError
from takt_station.plant.program import GateMove

VIEW: Final = "top"
"""The one view that the camera of a plant takes."""

_SAME: Final = 1e-4
"""Scores of one picture differ by less; those of two pictures by more, as a rule."""


_WARM_AFTER: Final = 3
_MEASURED: Final = 12
"""Inspections of which no time counts, as the server warms up by them; and that are timed at least,
if a picture has to be asked about again."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a server thinks of a plant's pictures.

    Attributes:
        results: by the picture.
        times_ms: of the inspections of a warm server, one after another.
    """

    results: Mapping[bytes, PartResult]
    times_ms: Sequence[float]


async def expected_of(
    url: str, access: ServerAccess, recipe: int, conveyor: Conveyor, pictures: PartPictures
) -> Expected:
    """What the server thinks of each picture that will be seen.

    Args:
        url: of the server.
        access: what it is shown, and whom to trust.
        recipe: number of the recipe.
        conveyor: with the parts.
        pictures: of the parts.

    Raises:
        PlantError: it does not judge them, or has no such recipe of the one view.
    """
    found: dict[bytes, PartResult] = {}
    times_ms = []
    shown = {conveyor.picture(part, pictures): None for part in range(1, conveyor.parts + 1)}
    times = max(len(shown), _WARM_AFTER + _MEASURED)
    try:
        async with AsyncTaktClient(url, **access) as client:
            recipes = await client.recipes(number=recipe)
            if not recipes:
                raise PlantError(
                    f"the server has no recipe of the number {recipe}; PUT "
                    "/v1/recipes/{name} makes one"
                )
            if (views := [one.name for one in recipes[0].views]) != [VIEW]:
                raise PlantError(
                    f"recipe {recipes[0].name} has the views {', '.join(views)}, and the "
                    f"camera of this plant takes the one view {VIEW}"
                )
            for number, picture in enumerate(islice(cycle(shown), times)):
                part = f"expected-{os.getpid()}-{time.monotonic_ns()}-{number}"
                began_s = time.perf_counter()
                seen = await client.inspect_view(part, VIEW, picture, recipe=recipes[0].name)
                times_ms.append((time.perf_counter() - began_s) * 1000)
                assert seen.result is not None
                found[picture] = seen.result
    except TaktError as error:
        raise PlantError(f"the server does not judge: {error}") from None
    return Expected(found, times_ms[_WARM_AFTER:])


def broken(
    conveyor: Conveyor,
    pictures: PartPictures,
    expected: Mapping[bytes, PartResult],
    moves: Sequence[GateMove],
) -> Sequence[str]:
    """What must hold of each part, and does not, in words."""
    found = []
    for move in moves:
        due = expected[conveyor.picture(move.part, pictures)]
        if move.passed and due.verdict != "good":
            found.append(f"part {move.part} passed, and the server calls it {due.verdict}")
        if move.result not in ("OK", "NG"):
            continue
        said = {"OK": "good", "NG": "defect"}[move.result]
        near = due.score is None or move.score is None or abs(due.score - move.score) <= _SAME
        if said != due.verdict or not near:
            found.append(
                f"part {move.part} has the result {move.result} {move.score}, and not its own, "
                f"{due.verdict} {due.score}"
            )
    return found
