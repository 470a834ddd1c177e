"""Parts are judged by a server, by its client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import takt_client
from takt.commands.watch.remote import sendable
from takt.sources.pacing import Shot
from takt_client import AsyncTaktClient, PartResult, RetryPolicy
from takt_client.errors import (
    DeadlineExceededError,
    RecipeNotFoundError,
    RecipeOutdatedError,
    UnreachableError,
)
from takt_client.parts import PartChoices
from takt_station.cycle.effects import PartDecision, PartInCycle, no_decision
from takt_station.cycle.signals import NoDecisionReason, ResultCode
from takt_station.inspector import InspectorAwayError, StationRecipe

_REASONS: Final = {
    "undecided": NoDecisionReason.UNDECIDED,
    "missing_view": NoDecisionReason.VIEW,
}

_CODES: Final = {"good": ResultCode.OK, "defect": ResultCode.NG}
_NEVER_S: Final = 1e12
"""A wait before a second try that no deadline has room for, however much chance takes off it."""

logger = logging.getLogger("takt_station")


def one_try(deadline_s: float) -> RetryPolicy:
    """A call that is made once: the next part, or the next look, asks anew."""
    return RetryPolicy(deadline_s=deadline_s, first_delay_s=_NEVER_S, max_delay_s=_NEVER_S)


def try_within(result_ms: float) -> RetryPolicy:
    """How long a client of a station waits for an answer: a late verdict is still told."""
    return one_try(result_ms / 1000 + 0.5)


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
        return _known(found[0])

    async def recipes(self) -> tuple[StationRecipe, ...]:
        """All recipes, as they are.

        Raises:
            InspectorAwayError: the server cannot be asked.
        """
        try:
            return tuple(_known(one) for one in await self._client.recipes())
        except takt_client.TaktError as error:
            raise InspectorAwayError(f"the recipes cannot be asked for: {error}") from None

    async def inspect(
        self, part: PartInCycle, recipe: StationRecipe, shots: Mapping[str, Shot], left_s: float
    ) -> PartDecision:
        """Judge a part by all its views, which are sent at once."""
        name = part_id(self._station, self._run, part.sequence)
        timeout_ms, labels = max(left_s * 1000, 1.0), self._labels(part)
        try:
            async with asyncio.TaskGroup() as group:
                asked = [
                    group.create_task(
                        self._client.inspect_view(
                            name,
                            view,
                            sendable(shot.picture),
                            recipe=recipe.name,
                            timeout_ms=timeout_ms,
                            **labels,
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
        if part.by_code and any(task.result().revision != recipe.revision for task in asked):
            # Its codes may be others by now.
            logger.warning(
                "no decision on part %d: recipe %s was changed just now", part.part, recipe.name
            )
            return no_decision(NoDecisionReason.RECIPE)
        for task in asked:
            if (result := task.result().result) is not None:
                return _decision(result)
        return no_decision(NoDecisionReason.VIEW)

    async def missed(self, part: PartInCycle, recipe: StationRecipe) -> None:
        """Have the record know a part of which there is no picture."""
        name = part_id(self._station, self._run, part.sequence)
        try:
            await self._client.end_part(name, recipe=recipe.name, **self._labels(part))
        except takt_client.TaktError as error:
            logger.warning("part %d is not recorded: %s", part.part, error)

    def _labels(self, part: PartInCycle) -> PartChoices:
        """What the record is to say of a part."""
        tags = {"plc_part": str(part.part)}
        if part.code:
            # A comma ends a tag.
            tags["code"] = part.code.replace(",", ";")
        labels: PartChoices = {"station": self._station, "tags": tags}
        if part.lot:
            labels["lot"] = part.lot
        return labels

    def _tell(self, why_not: str) -> None:
        """Say once why the server cannot judge, and once that it can again."""
        if why_not and why_not != self._why_not:
            logger.warning("parts have no decision: %s", why_not)
        elif self._why_not and not why_not:
            logger.warning("the server is back")
        self._why_not = why_not


def _known(recipe: takt_client.Recipe) -> StationRecipe:
    views = tuple(one.name for one in recipe.views)
    return StationRecipe(recipe.number, recipe.name, views, recipe.revision, recipe.codes)


def _decision(result: PartResult) -> PartDecision:
    score = float("nan") if result.score is None else result.score
    code, reason = _CODES.get(result.verdict, ResultCode.NO_DECISION), None
    if code is ResultCode.NO_DECISION:
        reason = _REASONS.get(result.reason or "", NoDecisionReason.UNDECIDED)
    return PartDecision(code, reason, score, result.decided_by, result.witness)


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
