"""What every station has said last, in memory, and the recipe that somebody wants of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from takt.core.domain import Json
from takt.core.errors import ConflictError, StationNotFoundError, TooManyStationsError
from takt.peers import Message, Messenger, Peers

MOST_STATIONS: Final = 64
SILENT_S: Final = 5.0
"""A station says how it fares about once a second; one that has not for so long is silent."""

FORGOTTEN_S: Final = 3600.0
"""Time after which a silent station is forgotten."""

WISH_S: Final = 10.0
"""Time within which a station takes a recipe; what it has not by then, it is not told any more: a
station that comes back changes nothing that somebody wanted long ago."""

_REPORT, _WISH = "station", "station_recipe"


@dataclass(frozen=True, slots=True)
class RecipeWish:
    """A recipe that somebody wants in force at a station.

    Attributes:
        number: of the recipe.
        sequence: of the wish; a later one has a higher one.
    """

    number: int
    sequence: int


@dataclass(frozen=True, slots=True)
class StationStanding:
    """A station as it is known.

    Attributes:
        name: of the station.
        report: what it has said last, which the API has checked.
        heard_us: when, in µs of Unix time.
        silent_s: time since then.
        wish: the recipe that it has not taken yet; None where nobody wants another one.
    """

    name: str
    report: Json
    heard_us: int
    silent_s: float
    wish: RecipeWish | None

    @property
    def silent(self) -> bool:
        """Whether it says nothing any more."""
        return self.silent_s > SILENT_S


@dataclass(slots=True)
class _Known:
    report: Json
    heard_us: int
    heard_s: float
    taken: int
    wish: RecipeWish | None = None
    wished_s: float = 0.0


def _now_us() -> int:
    return time.time_ns() // 1000


class StationBoard:
    """Every worker has all of it: what one hears, the others are told.

    >>> from takt.peers import Alone
    >>> board = StationBoard(Alone())
    >>> board.put("press-1", {"online": True}, None)
    >>> board.of("press-1").report, board.of("press-1").silent
    ({'online': True}, False)

    Args:
        peers: the other workers.
        clock: gives seconds that only go on.
        now_us: gives µs of Unix time.
    """

    def __init__(
        self,
        peers: Peers,
        clock: Callable[[], float] = time.monotonic,
        now_us: Callable[[], int] = _now_us,
    ) -> None:
        self._peers = peers
        self._messenger = Messenger(peers)
        self._clock = clock
        self._now_us = now_us
        self._known: dict[str, _Known] = {}
        self._sequence = 0
        peers.answer(_REPORT, self._told_report)
        peers.answer(_WISH, self._told_wish)

    def put(self, name: str, report: Json, taken: int | None) -> RecipeWish | None:
        """Take what a station says; on the event loop.

        Args:
            name: of the station.
            report: what it says.
            taken: sequence of the last wish that it has taken; None for none.

        Returns:
            The recipe that it is to put in force, if it has not taken that yet.

        Raises:
            TooManyStationsError: as many others are known as may be, and none is silent.
        """
        if not self._has_room_for(name):
            raise TooManyStationsError(
                f"{MOST_STATIONS} other stations say how they fare, as many as may be; give "
                "stations that are one the same name"
            )
        wish = self._keep(name, report, taken)
        self._messenger.tell(_REPORT, {"name": name, "report": report, "taken": taken})
        return wish

    async def wish(self, name: str, number: int) -> RecipeWish:
        """Want a recipe in force at a station, which hears of it as it says how it fares.

        Raises:
            StationNotFoundError: nobody knows it.
            ConflictError: it is silent.
        """
        standing = self.of(name)
        if standing.silent:
            raise ConflictError(
                f"station {name!r} has said nothing for {standing.silent_s:.0f} s, and takes no "
                "recipe; look after it first"
            )
        # Whatever becomes of this server and of its clock, it is higher than what was taken.
        taken = self._known[name].taken
        self._sequence = max(self._sequence + 1, self._now_us(), taken + 1)
        wish = RecipeWish(number, self._sequence)
        self._want(name, wish)
        await self._peers.ask(_WISH, {"name": name, "wish": asdict(wish)})
        return wish

    def of(self, name: str) -> StationStanding:
        """A station.

        Raises:
            StationNotFoundError: nobody knows it.
        """
        self._forget()
        if (known := self._known.get(name)) is None:
            raise StationNotFoundError(
                f"no station {name!r} says how it fares; GET /v1/stations lists those that do"
            )
        return self._standing(name, known)

    def all(self) -> list[StationStanding]:
        """All stations, by name."""
        self._forget()
        return [self._standing(name, known) for name, known in sorted(self._known.items())]

    def ups(self) -> dict[str, bool]:
        """Whether each station takes parts, or its PLC has taken it offline; for any thread."""
        now_s = self._clock()
        return {
            name: now_s - one.heard_s <= SILENT_S and _is_well(one.report)
            for name, one in [*self._known.items()]
            if now_s - one.heard_s <= FORGOTTEN_S
        }

    def _standing(self, name: str, known: _Known) -> StationStanding:
        silent_s = max(0.0, self._clock() - known.heard_s)
        return StationStanding(name, known.report, known.heard_us, silent_s, self._wish_of(known))

    def _wish_of(self, known: _Known) -> RecipeWish | None:
        return known.wish if self._clock() - known.wished_s < WISH_S else None

    def _has_room_for(self, name: str) -> bool:
        """Whether a station can be known; the one that is silent longest makes room."""
        self._forget()
        if name in self._known or len(self._known) < MOST_STATIONS:
            return True
        longest = min(self._known, key=lambda one: self._known[one].heard_s)
        if self._clock() - self._known[longest].heard_s <= SILENT_S:
            return False
        del self._known[longest]
        return True

    def _keep(self, name: str, report: Json, taken: int | None) -> RecipeWish | None:
        before = self._known.get(name)
        known = _Known(report, self._now_us(), self._clock(), taken or 0)
        if before is not None and before.wish is not None and before.wish.sequence != taken:
            known.wish, known.wished_s = before.wish, before.wished_s
        self._known[name] = known
        return self._wish_of(known)

    def _want(self, name: str, wish: RecipeWish) -> None:
        # Of another worker as well: the clock may be set back before the next wish.
        self._sequence = max(self._sequence, wish.sequence)
        known = self._known.get(name)
        if known is not None and (known.wish is None or known.wish.sequence < wish.sequence):
            known.wish, known.wished_s = wish, self._clock()

    def _forget(self) -> None:
        now_s = self._clock()
        self._known = {
            name: one for name, one in self._known.items() if now_s - one.heard_s <= FORGOTTEN_S
        }

    async def _told_report(self, body: Message) -> Message:
        if self._has_room_for(body["name"]):
            self._keep(body["name"], body["report"], body["taken"])
        return {}

    async def _told_wish(self, body: Message) -> Message:
        self._want(body["name"], RecipeWish(**body["wish"]))
        return {}


def _is_well(report: Json) -> bool:
    return bool(report["online"] or report["offline_reason"] == "set_offline")
