"""Parts are judged by a server, by its client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import takt_client
from service.core.domain import RawPicture
from service.sources.pacing import Shot
from service.station.cycle.effects import PartDecision, PartInCycle, no_decision
from service.station.cycle.signals import NoDecisionReason, ResultCode
from service.station.inspector import InspectorAwayError, StationRecipe
from takt_client import AsyncTaktClient, PartResult, RetryPolicy
from takt_client.errors import (
    DeadlineExceededError,
    RecipeNotFoundError,
    RecipeOutdatedError,
    UnreachableError,
)

_REASONS: Final = {
    "undecided": NoDecisionReason.UNDECIDED,
    "missing_view": NoDecisionReason.VIEW,
}

logger = logging.getLogger("takt.station")


def retry_within(result_ms: float) -> RetryPolicy:
    """When a client of a station tries again: while a part may still have a verdict in time."""
    deadline_s = result_ms / 1000 + 0.5
    return RetryPolicy(deadline_s=deadline_s, first_delay_s=4 * deadline_s)


def part_id(station: str, run: str, sequence: int) -> str:
    """Id of a part on the server.

    Args:
        station: name of the station.
        run: tells the parts of its process from those of one before it.
        sequence: of the part.
    """
    return f"{station}-{run}-{sequence}"


class ServerInspector:
    """Asks a server for the verdict on each part.

    Args:
        client: of the server; whoever made it closes it.
        station: name of the station, in the server's record.
        run: tells the parts of this process from those of one before it.
    """

    def __init__(self, client: AsyncTaktClient, station: str, run: str) -> None:
        self._client = client
        self._station = station
        self._run = run
        self._why_not = ""

    async def ready(self) -> bool:
        """Whether the server answers, and every model of it is ready."""
        try:
            readiness = await self._client.ready()
        except takt_client.TaktError as error:
            self._tell(str(error))
            return False
        self._tell("" if readiness.ready else "not every model of the server is ready")
        return readiness.ready

    async def recipe(self, number: int) -> StationRecipe | None:
        """The recipe of a number; None where there is none.

        Raises:
            InspectorAwayError: the server cannot be asked.
        """
        try:
            found = await self._client.recipes(number=number)
        except takt_client.TaktError as error:
            raise InspectorAwayError(f"recipe {number} cannot be asked for: {error}") from None
        if not found:
            logger.error("the server has no recipe of the number %d", number)
            return None
        return StationRecipe(number, found[0].name, tuple(one.name for one in found[0].views))

    async def inspect(
        self, part: PartInCycle, recipe: StationRecipe, shots: Mapping[str, Shot], left_s: float
    ) -> PartDecision:
        """Judge a part by all its views, which are sent at once."""
        name = part_id(self._station, self._run, part.sequence)
        left_ms = max(left_s * 1000, 1.0)
        try:
            async with asyncio.TaskGroup() as group:
                asked = [
                    group.create_task(
                        self._client.inspect_view(
                            name,
                            view,
                            _sendable(shot.picture),
                            recipe=recipe.name,
                            timeout_ms=left_ms,
                            station=self._station,
                            tags={"plc_part": str(part.part)},
                        )
                    )
                    for view, shot in shots.items()
                ]
        except ExceptionGroup as errors:
            error = errors.exceptions[0]
            if not isinstance(error, takt_client.TaktError):
                raise error from None
            logger.warning("no verdict on part %d: %s", part.part, error)
            return no_decision(_reason(error))
        for task in asked:
            if (result := task.result().result) is not None:
                return _decision(result)
        return no_decision(NoDecisionReason.VIEW)

    def _tell(self, why_not: str) -> None:
        """Say once why the server cannot judge, and once that it can again."""
        if why_not and why_not != self._why_not:
            logger.warning("parts have no decision: %s", why_not)
        elif self._why_not and not why_not:
            logger.warning("the server is back")
        self._why_not = why_not


def _decision(result: PartResult) -> PartDecision:
    score = float("nan") if result.score is None else result.score
    match result.verdict:
        case "good":
            return PartDecision(ResultCode.OK, None, score)
        case "defect":
            return PartDecision(ResultCode.NG, None, score)
        case _:
            reason = _REASONS.get(result.reason or "", NoDecisionReason.UNDECIDED)
            return no_decision(reason, score)


def _reason(error: takt_client.TaktError) -> NoDecisionReason:
    match error:
        case RecipeNotFoundError() | RecipeOutdatedError():
            return NoDecisionReason.RECIPE
        case UnreachableError():
            return NoDecisionReason.UNREACHABLE
        case DeadlineExceededError():
            return NoDecisionReason.DEADLINE
        case _:
            return NoDecisionReason.REFUSED


def _sendable(picture: bytes | RawPicture) -> bytes | takt_client.RawPicture:
    if isinstance(picture, bytes):
        return picture
    return takt_client.RawPicture(picture.pixels, picture.width, picture.height, picture.format)
