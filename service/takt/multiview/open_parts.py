"""The parts that wait for a view: each gets one result, by one revision of its recipe.

Nothing here waits, and no thread or loop is known: time comes from a clock that is passed in, and
whoever has it calls `expire`.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import TypeAdapter

from takt.core.errors import (
    OtherRecipeError,
    PartEndedError,
    PartNotFoundError,
    TooManyPartsError,
    ViewNotFoundError,
    ViewTakenError,
)
from takt.multiview.recipe import RecipeRevision, RecipeView
from takt.multiview.result import EndedBy, PartResult, PartView, SeenView, decide

MOST_OPEN: Final = 1024
"""Most parts that wait for a view; a line has a handful."""

LATE_S: Final = 60.0
"""Time after a part's end in which a view of its id is a late one, and not the next part's."""

MOST_ENDED: Final = 4096
"""Most parts whose ends are remembered."""

RecipeOf = Callable[[str], RecipeRevision]
"""Gives a recipe as it is now."""

ViewState = Literal["waiting", "inspecting", "inspected"]


@dataclass(frozen=True, slots=True)
class ViewWish:
    """A view that somebody sends.

    Attributes:
        part: id of the part.
        view: name of the view; empty for whoever says that none comes.
        recipe: name of the recipe.
        token: tells who sends it; whoever asks again by the same gets the same.
        again: whether the id stands for another part than the one that has just ended.
        station: where the part is; None where the caller does not say.
        lot: that it belongs to; None where the caller does not say.
        tags: anything else that the caller says, as names and values.
    """

    part: str
    view: str
    recipe: str
    token: str
    again: bool = False
    station: str | None = None
    lot: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """A view that is to be inspected, and by what.

    Attributes:
        part: id of the part.
        number: of the part.
        recipe: name of the recipe.
        revision: of the recipe.
        view: what inspects it.
        token: tells who brings it.
        left_s: time until the part's deadline.
    """

    part: str
    number: int
    recipe: str
    revision: int
    view: RecipeView
    token: str
    left_s: float


CLAIMS: Final = TypeAdapter(Claim)
"""Reads claims again that went by JSON."""


@dataclass(frozen=True, slots=True)
class WaitingPart:
    """A part that waits for its views.

    Attributes:
        part: id of the part.
        number: of the part.
        recipe: name of the recipe.
        revision: of the recipe.
        began_us: when its first view came, in µs of Unix time.
        left_ms: time until its deadline.
        views: what there is of each view, in the recipe's order.
        inspecting: names of the views that are being inspected.
        station: where it is, as the first view says.
        lot: that it belongs to, as the first view says.
        tags: anything else that the first view says, as names and values.
    """

    part: str
    number: int
    recipe: str
    revision: int
    began_us: int
    left_ms: float
    views: tuple[PartView, ...]
    inspecting: tuple[str, ...]
    station: str | None = None
    lot: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def state_of(self, view: PartView) -> ViewState:
        """What becomes of one of its views."""
        if view.seen is not None:
            return "inspected"
        return "inspecting" if view.name in self.inspecting else "waiting"


FOUND: Final[TypeAdapter[WaitingPart | PartResult | None]] = TypeAdapter(
    WaitingPart | PartResult | None
)
"""Reads again what was found of a part and went by JSON."""


@dataclass(slots=True)
class _Open:
    wish: ViewWish
    number: int
    revision: RecipeRevision
    began_us: int
    deadline_s: float
    claimed: dict[str, str] = field(default_factory=dict)
    seen: dict[str, SeenView] = field(default_factory=dict)

    @property
    def views(self) -> tuple[PartView, ...]:
        of_recipe = self.revision.recipe.views
        return tuple(PartView(one.name, self.seen.get(one.name)) for one in of_recipe)


class OpenParts:
    """Every part that waits for a view, and the last ones that have ended.

    A part begins with its first view, which fixes the revision of its recipe and its deadline. It
    ends with its last view, when somebody says so, or at the deadline, and is then told once.

    Args:
        clock: gives seconds that only go on.
        now_us: gives Unix time in µs.
        ended: is told each result, once.
        most: most parts that may be open.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        now_us: Callable[[], int],
        ended: Callable[[PartResult], None],
        most: int = MOST_OPEN,
    ) -> None:
        self._clock = clock
        self._now_us = now_us
        self._tell = ended
        self._most = most
        self._open: dict[str, _Open] = {}
        # By number, as an id may have ended often before its parts are recorded.
        self._ended: OrderedDict[int, tuple[float, PartResult]] = OrderedDict()
        self._latest: dict[str, int] = {}
        self._deadlines: list[tuple[float, int, str]] = []
        self._last_number = 0
        self._highest, self._known_at_s = 0, clock()

    def __len__(self) -> int:
        """Parts that are open."""
        return len(self._open)

    @property
    def next_deadline_s(self) -> float | None:
        """When the next part ends at the latest, on the clock; None where none is open."""
        while self._deadlines and self._gone(self._deadlines[0]):
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def _gone(self, deadline: tuple[float, int, str]) -> bool:
        found = self._open.get(deadline[2])
        return found is None or found.number != deadline[1]

    def go_on_after(self, number: int) -> None:
        """Give higher numbers than one that was given before, as the clock may have been set back.

        Args:
            number: the highest one that the record has.
        """
        self._highest, self._known_at_s = number, self._clock()

    def claim(self, wish: ViewWish, recipe: RecipeOf) -> Claim:
        """Take a view on, which begins a part if it is the first one of it.

        Args:
            wish: the view.
            recipe: gives a recipe as it is now; asked only for a part that begins.

        Raises:
            RecipeNotFoundError: there is no such recipe.
            ViewNotFoundError: the part's recipe has no such view.
            ViewTakenError: the part has it already.
            PartEndedError: a part of this id has ended just now.
            OtherRecipeError: the part is open by another recipe.
            TooManyPartsError: as many parts are open as may be.
        """
        self.expire()
        found = self._open.get(wish.part)
        if found is None:
            self._check_next(wish)
            current = recipe(wish.recipe)
            view = _view(current, wish.view)
            found = self._begin(wish, current)
        else:
            _check_recipe(found, wish.recipe)
            view = _view(found.revision, wish.view)
            holder = found.claimed.get(wish.view)
            if wish.view in found.seen or holder not in (None, wish.token):
                raise _taken(wish.part, wish.view)
        found.claimed[wish.view] = wish.token
        return Claim(
            wish.part,
            found.number,
            found.revision.name,
            found.revision.revision,
            view,
            wish.token,
            max(0.0, found.deadline_s - self._clock()),
        )

    def release(self, claim: Claim) -> None:
        """Let go of a view that could not be inspected, so that it may be sent again."""
        found = self._open.get(claim.part)
        if found is not None and found.number == claim.number:
            view = claim.view.name
            if found.claimed.get(view) == claim.token and view not in found.seen:
                del found.claimed[view]

    def take(self, claim: Claim, seen: SeenView) -> PartResult | None:
        """Take the inspection of a view; gives the part's result if that was the last one.

        Raises:
            PartEndedError: the part has ended meanwhile; the inspection changes nothing.
            ViewTakenError: somebody else brings this view, or has brought it.
        """
        self.expire()
        found = self._open.get(claim.part)
        if found is None or found.number != claim.number:
            raise PartEndedError(
                f"part {claim.part!r} ended while its view {claim.view.name!r} was inspected; the "
                "view changes nothing any more"
            )
        view = claim.view.name
        # Nobody has it where a request is sent again and its first attempt has let go.
        if view in found.seen or found.claimed.get(view) not in (None, claim.token):
            raise _taken(claim.part, view)
        found.claimed[view] = claim.token
        found.seen[view] = seen
        if len(found.seen) == len(found.revision.recipe.views):
            return self._end(found, "views")
        return None

    def end(
        self, part: str, unseen: ViewWish | None = None, recipe: RecipeOf | None = None
    ) -> PartResult:
        """End a part now; one that has ended has the result that it has.

        Args:
            part: id of the part.
            unseen: what is said of a part that has not begun, as no view of it came; None for
                whoever knows that it has.
            recipe: gives a recipe as it is now; asked only for such a part.

        Raises:
            PartNotFoundError: none of this id is open, or has ended lately.
            RecipeNotFoundError: there is no such recipe.
            OtherRecipeError: the part is open by another recipe.
            TooManyPartsError: as many parts are open as may be.
        """
        self.expire()
        found = self._open.get(part)
        if found is not None:
            if unseen is not None:
                _check_recipe(found, unseen.recipe)
            return self._end(found, "end")
        if part in self._latest:
            return self._ended[self._latest[part]][1]
        if unseen is None or recipe is None:
            raise no_part(part)
        return self._end(self._begin(unseen, recipe(unseen.recipe)), "end")

    def expire(self) -> None:
        """End what is due by now."""
        now_s = self._clock()
        while (due_s := self.next_deadline_s) is not None and due_s <= now_s:
            self._end(self._open[self._deadlines[0][2]], "deadline")

    def close(self) -> None:
        """End every part, as the server ends."""
        for found in list(self._open.values()):
            self._end(found, "closing")

    def find(self, part: str, number: int | None = None) -> WaitingPart | PartResult | None:
        """The latest part of an id, or that of a number; None where it is not open and no late end.

        Args:
            part: id of the part.
            number: of the part that is meant; None for the latest.
        """
        self.expire()
        found = self._open.get(part)
        if found is None or number not in (None, found.number):
            wanted = self._latest.get(part) if number is None else number
            ended = None if wanted is None else self._ended.get(wanted)
            return None if ended is None or ended[1].part != part else ended[1]
        views = found.views
        return WaitingPart(
            part,
            found.number,
            found.revision.name,
            found.revision.revision,
            found.began_us,
            max(0.0, found.deadline_s - self._clock()) * 1000,
            views,
            tuple(name for name in found.claimed if name not in found.seen),
            found.wish.station,
            found.wish.lot,
            found.wish.tags,
        )

    def _check_next(self, wish: ViewWish) -> None:
        """Refuse a view that is more likely a late one of the part before."""
        if wish.part not in self._latest or wish.again:
            return
        ended_s, result = self._ended[self._latest[wish.part]]
        if self._clock() - ended_s < LATE_S:
            raise PartEndedError(
                f"part {wish.part!r} has ended as {result.verdict}; again=true says that the id "
                f"stands for another part now, as it does by itself {LATE_S:.0f} s after the end"
            )

    def _begin(self, wish: ViewWish, revision: RecipeRevision) -> _Open:
        if len(self._open) >= self._most:
            raise TooManyPartsError(
                f"{self._most} parts wait for views, as many as may be; end those whose views do "
                "not come, or give their recipes a shorter deadline_ms",
                retry_after_s=1,
            )
        now_us = self._now_us()
        # Unix time, so that no restart gives a number again. What is beyond it goes on as time
        # does, since another server on the record may have gone on after the same number.
        beyond = self._highest + 1 + int((self._clock() - self._known_at_s) * 1e6)
        self._last_number = number = max(self._last_number + 1, now_us, beyond)
        deadline_s = self._clock() + revision.recipe.deadline_ms / 1000
        found = self._open[wish.part] = _Open(wish, number, revision, now_us, deadline_s)
        heapq.heappush(self._deadlines, (deadline_s, number, wish.part))
        return found

    def _end(self, found: _Open, by: EndedBy) -> PartResult:
        part = found.wish.part
        del self._open[part]
        views = found.views
        # By the time that has passed, as the wall clock may have been set since it began.
        left_us = round((found.deadline_s - self._clock()) * 1e6)
        took_us = round(found.revision.recipe.deadline_ms * 1e3) - left_us
        decided = decide(views)
        result = PartResult(
            part=part,
            number=found.number,
            recipe=found.revision.name,
            revision=found.revision.revision,
            began_us=found.began_us,
            ended_us=found.began_us + took_us,
            ended_by=by,
            verdict=decided.verdict,
            reason=decided.reason,
            score=decided.score,
            view=decided.view,
            station=found.wish.station,
            lot=found.wish.lot,
            views=views,
            tags=found.wish.tags,
        )
        self._ended[found.number] = self._clock(), result
        self._latest[part] = found.number
        if len(self._ended) > MOST_ENDED:
            number, (_, forgotten) = self._ended.popitem(last=False)
            if self._latest[forgotten.part] == number:
                del self._latest[forgotten.part]
        self._tell(result)
        return result


def no_part(part: str) -> PartNotFoundError:
    """What is said where there is no such part."""
    return PartNotFoundError(f"no part {part!r} is open or recorded; it begins with its first view")


def _check_recipe(found: _Open, recipe: str) -> None:
    if found.revision.name != recipe:
        raise OtherRecipeError(
            f"part {found.wish.part!r} is open by recipe {found.revision.name!r}; send its views "
            f"with that, or end it to begin it by {recipe!r}"
        )


def _taken(part: str, view: str) -> ViewTakenError:
    return ViewTakenError(
        f"part {part!r} has its view {view!r} already; GET /v1/parts/{{id}} has what became of it"
    )


def _view(revision: RecipeRevision, name: str) -> RecipeView:
    found = revision.recipe.view(name)
    if found is None:
        names = ", ".join(one.name for one in revision.recipe.views)
        raise ViewNotFoundError(
            f"recipe {revision.name!r}, revision {revision.revision}, has no view {name!r}, but "
            f"{names}"
        )
    return found
