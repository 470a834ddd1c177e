"""A station at work: the state machine of its cycle with real time, cameras and an inspector."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Protocol

from takt.sources.capture import SourceError
from takt.sources.pacing import Shot
from takt_station.cameras import PartCamera
from takt_station.cycle.effects import (
    Acquire,
    CameLate,
    ChangeRecipe,
    Effect,
    Faulted,
    Given,
    PartInCycle,
    no_decision,
)
from takt_station.cycle.machine import CycleTiming, StationCycle
from takt_station.cycle.signals import Controls, NoDecisionReason, StationStatus
from takt_station.inspector import InspectorAwayError, PartInspector, StationRecipe
from takt_station.recipe_list import NoneNamed, RecipeList

_LOOK_EVERY_S: Final = 0.25
"""Time between two looks at whether cameras and inspector are well."""

_READY_WITHIN_S: Final = 2.0
"""Time within which an inspector that is ready says so."""

_ASK_AGAIN_S: Final = 0.5
"""Time between two attempts to ask for a recipe."""

_LIST_EVERY_S: Final = 1.0
"""Time between two looks at all recipes, for those that go by a part's code."""

_LISTED_WITHIN_S: Final = 5.0
"""Time within which somebody says which recipes there are."""

_LATE_S: Final = 1.0
"""Time after a part was due in which its verdict is still heard, to tell how late it was."""

_UNTIL_DUE_S: Final = 0.002
"""Time before a part is due in which a picture is of no use; what is silent then is the camera."""

_UNREAD: Final = "the %s of part %d cannot be read and is left out: it is no printable ASCII"

logger = logging.getLogger("takt_station")


class StationListener(Protocol):
    """Hears what became of parts."""

    def given(self, given: Given, recipe: StationRecipe | None) -> None:
        """A part has its result."""

    def came_late(self, late: CameLate) -> None:
        """A verdict came after its part's result."""

    def faulted(self, fault: Faulted) -> None:
        """Verdicts came late several times in a row."""


class Station:
    """Has parts inspected, and gives each its result in time.

    A controller's server calls `controls` and `status` on the event loop.

    Args:
        timing: of the cycle.
        cameras: by the names of the views that they take.
        inspector: judges parts.
        listeners: hear what became of them.

    Attributes:
        inspector_ready: whether the inspector could judge when it was asked last.
    """

    def __init__(
        self,
        timing: CycleTiming,
        cameras: Mapping[str, PartCamera],
        inspector: PartInspector,
        listeners: Sequence[StationListener],
    ) -> None:
        self._cycle = StationCycle(timing)
        self._picture_s = timing.picture_ms / 1000
        self._cameras = cameras
        self._inspector = inspector
        self._listeners = listeners
        self._recipes: dict[int, StationRecipe] = {}
        self._list = RecipeList(None, cameras)
        self._named: StationRecipe | NoneNamed | None = None
        self._of_parts: dict[int, StationRecipe] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_s: float | None = None
        self._changed: Callable[[], None] | None = None
        self._shown: StationStatus | None = None
        self.inspector_ready = False
        self._finding: asyncio.Task[None] | None = None

    def controls(self, controls: Controls) -> None:
        """Hear what the controller says."""
        named = self._named = self._list.named_by(controls.code) if controls.trigger else None
        by_code = None if named is None else named.number
        self._do(self._cycle.controls(self._now_s(), controls, by_code))

    def status(self) -> StationStatus:
        """What the controller reads, as it is now."""
        self._do(self._cycle.advance(self._now_s()))
        return self._cycle.status()

    @property
    def recipe(self) -> StationRecipe | None:
        """The recipe in force; None before the first, and after one that cannot be used."""
        return self._recipes.get(self._cycle.status().recipe)

    def change_recipe(self, number: int) -> None:
        """Put a recipe in force for the parts that are triggered from now on."""
        self._do(self._cycle.change_recipe(self._now_s(), number))

    def tell_changes(self, changed: Callable[[], None]) -> None:
        """Have something called on the event loop whenever `status` gives something else."""
        self._changed = changed

    async def run(self) -> None:
        """Work until this is cancelled; then what is under way is given up."""
        for camera in {id(one): one for one in self._cameras.values()}.values():
            self._start(camera.run())
        self._start(self._follow())
        try:
            while True:
                await self._look()
                await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look(self) -> None:
        engine = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY_WITHIN_S):
                engine = await self._inspector.ready()
        self.inspector_ready = engine
        camera = all(one.well for one in self._cameras.values())
        self._do(self._cycle.see_well(self._now_s(), engine=engine, camera=camera))

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Acquire(part):
                    # As it is now; the part keeps it, whatever becomes of the recipe.
                    recipe = self._of_parts[part.sequence] = self._recipe_of(part)
                    self._start(self._inspect(part, recipe))
                case ChangeRecipe(number):
                    # Whoever asks for another one does not want the one before it.
                    if self._finding is not None:
                        self._finding.cancel()
                    self._finding = self._start(self._find(number))
                case Given(part):
                    self._tell_unread(part)
                    known = self._of_parts.pop(part.sequence, None)
                    for one in self._listeners:
                        one.given(effect, known)
                case CameLate():
                    for one in self._listeners:
                        one.came_late(effect)
                case Faulted():
                    for one in self._listeners:
                        one.faulted(effect)
        self._wake_in_time()
        if self._changed is not None and (shown := self._cycle.status()) != self._shown:
            self._shown = shown
            # Not at once: what it says then would be heard in the middle of what is done here.
            asyncio.get_running_loop().call_soon(self._changed)

    def _recipe_of(self, part: PartInCycle) -> StationRecipe:
        """The recipe of a part that was triggered just now."""
        if not part.by_code:
            return self._recipes[part.recipe]
        assert isinstance(self._named, StationRecipe)
        return self._named

    def _tell_unread(self, part: PartInCycle) -> None:
        """Say why a part has no recipe of its code, and what of it could not be read."""
        if part.by_code and part.recipe == 0:
            named = self._list.named_by(part.code)
            why = named.why if isinstance(named, NoneNamed) else "there was no recipe of its code"
            logger.warning("no decision on part %d: %s", part.part, why)
        elif part.code is None:
            logger.warning(_UNREAD, "code", part.part)
        if part.lot is None:
            logger.warning(_UNREAD, "lot", part.part)

    async def _follow(self) -> None:
        """Know the recipes as they are, as far as somebody says so; never ends."""
        told = False
        while True:
            try:
                async with asyncio.timeout(_LISTED_WITHIN_S):
                    recipes = await self._inspector.recipes()
                if recipes != self._list.recipes:
                    self._list = RecipeList(recipes, self._cameras)
                told = False
            except (InspectorAwayError, TimeoutError) as error:
                if not told:
                    why = str(error) or "nobody answers"
                    logger.warning("recipes are as they were: %s", why)
                told = True
            except Exception:
                logger.exception("something unforeseen, as the recipes were asked for")
            await asyncio.sleep(_LIST_EVERY_S)

    async def _inspect(self, part: PartInCycle, recipe: StationRecipe) -> None:
        try:
            latest_s = min(part.due_s - _UNTIL_DUE_S, part.triggered_s + self._picture_s)
            async with asyncio.timeout_at(latest_s):
                shots = await self._acquire(recipe)
            if self._now_s() > latest_s:
                # Nobody knows when it came, as this process was busy.
                raise TimeoutError
        except (SourceError, TimeoutError) as error:
            why = str(error) or "it came too late, and may be of another part"
            logger.warning("no picture of part %d: %s", part.part, why)
            self._do(self._cycle.see_acquisition_error(self._now_s(), part.sequence))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LISTED_WITHIN_S):
                    await self._inspector.missed(part, recipe)
            return
        self._do(self._cycle.see_acquired(self._now_s(), part.sequence))
        try:
            async with asyncio.timeout_at(part.due_s + _LATE_S):
                left_s = part.due_s - self._now_s()
                decision = await self._inspector.inspect(part, recipe, shots, left_s)
        except TimeoutError:
            decision = no_decision(NoDecisionReason.UNREACHABLE)
        self._do(self._cycle.see_decision(self._now_s(), part.sequence, decision))

    async def _acquire(self, recipe: StationRecipe) -> dict[str, Shot]:
        """The picture of each view, all taken at once.

        Raises:
            SourceError: a camera gives none.
        """
        try:
            async with asyncio.TaskGroup() as group:
                taking = {
                    view: group.create_task(self._cameras[view].acquire()) for view in recipe.views
                }
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return {view: task.result() for view, task in taking.items()}

    async def _find(self, number: int) -> None:
        recipe = await self._asked(number)
        if recipe is not None and (missing := recipe.views_without(self._cameras)):
            logger.error(
                "recipe %s has views without a camera: %s; name a camera after each",
                recipe.name,
                missing,
            )
            recipe = None
        if recipe is not None:
            self._recipes[number] = recipe
        known = recipe is not None
        self._do(self._cycle.see_recipe(self._now_s(), number, known=known))

    async def _asked(self, number: int) -> StationRecipe | None:
        """The recipe of a number, as soon as somebody can be asked; 0 is the number of none."""
        if number == 0:
            return None
        told = False
        while True:
            try:
                return await self._inspector.recipe(number)
            except InspectorAwayError as error:
                if not told:
                    logger.warning("%s; trying again", error)
                    told = True
                await asyncio.sleep(_ASK_AGAIN_S)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("something unforeseen: %s", error, exc_info=error)

    def _wake_in_time(self) -> None:
        due_s = self._cycle.next_s
        if due_s == self._wakes_s:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wakes_s = due_s
        if due_s is not None:
            self._timer = asyncio.get_running_loop().call_at(due_s, self._wake)

    def _wake(self) -> None:
        self._timer = self._wakes_s = None
        self._do(self._cycle.advance(self._now_s()))

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()
