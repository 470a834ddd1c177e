"""Where every worker takes the views of parts, which are open in the process that leads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, Final, Literal, TypeVar

from takt.core.errors import RecordError, TaktError
from takt.multiview.book import LOOK_EVERY_S, RecipeBook
from takt.multiview.open_parts import (
    CLAIMS,
    FOUND,
    Claim,
    OpenParts,
    ViewWish,
    WaitingPart,
    no_part,
)
from takt.multiview.result import RESULTS, PartResult, SeenView
from takt.peers import Led, Message, Messenger, Peers, Reply

_ASKED_WITHIN_S: Final = 5.0
_WAITS_S: Final = 1.0
"""Longest time that one question waits for a part's end; then it is asked again."""

_TOPIC: Final = "part"

Act = Literal["claim", "take", "release", "end", "find"]
"""What another worker may ask of the one that leads."""

_Found = TypeVar("_Found", bound=WaitingPart | PartResult | None)

logger = logging.getLogger("takt.parts")


def _now_us() -> int:
    return time.time_ns() // 1000


class PartDesk:
    """Takes views on, takes their inspections, and gives each part its result.

    Where the process that leads ends, its open parts end with it, without a result: whoever asks
    for one is told that there is no such part, and their ids begin anew.

    Args:
        book: the recipes.
        peers: the other workers.
        ended: is told each result, once, in the process that leads.
        highest: gives the highest number of a part in the record, which may be of a clock that was
            set back since.
        closing: tells that the server ends, and nobody is to be kept waiting any more.
        stored: waits until the record has the result of a part of this number; None where nobody
            waits for that.
    """

    def __init__(
        self,
        book: RecipeBook,
        peers: Peers,
        ended: Callable[[PartResult], None],
        highest: Callable[[], Awaitable[int]],
        closing: Callable[[], bool] = lambda: False,
        stored: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self._book = book
        self._peers = peers
        self._note = ended
        self._highest = highest
        self._numbered = False
        self._closing = closing
        self._stored = stored
        self._parts = OpenParts(time.monotonic, _now_us, self._ended)
        self._timer: asyncio.TimerHandle | None = None
        self._ends: dict[int, asyncio.Event] = {}
        self._messenger = Messenger(peers)
        self._led = Led(peers, _TOPIC, self._do, _unforeseen)

    async def prepare(self) -> None:
        """Know the numbers of former parts before the first one comes, which then need not wait."""
        while True:
            try:
                await self._number()
                return
            except RecordError as error:
                logger.debug("numbers of parts are not known yet: %s", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def claim(self, wish: ViewWish) -> Claim:
        """Take a view on; see `OpenParts.claim`.

        Raises:
            NoRecordError: the server keeps no record, and so has no recipes.
            UnavailableError: no worker leads at this moment.
            RequestError: see `OpenParts.claim`.
        """
        if self._leads:
            return await self._claim(wish)
        return CLAIMS.validate_python(await self._ask("claim", wish=asdict(wish)))

    async def take(self, claim: Claim, seen: SeenView) -> PartResult | None:
        """Take the inspection of a view; see `OpenParts.take`."""
        if self._leads:
            return await self._kept(self._parts.take(claim, seen))
        found = await self._ask("take", claim=asdict(claim), seen=asdict(seen))
        return RESULTS.validate_python(found["result"]) if found["result"] else None

    def release(self, claim: Claim) -> None:
        """Let go of a view that could not be inspected; nobody waits for that."""
        if self._leads:
            self._parts.release(claim)
            return
        self._messenger.tell(_TOPIC, {"act": "release", "claim": asdict(claim)})

    async def end(self, part: str, unseen: ViewWish | None = None) -> PartResult:
        """End a part now; see `OpenParts.end`."""
        if self._leads:
            return await self._kept(await self._end(part, unseen))
        said = None if unseen is None else asdict(unseen)
        return RESULTS.validate_python(await self._ask("end", part=part, unseen=said))

    async def find(
        self, part: str, wait_s: float = 0.0, number: int | None = None
    ) -> WaitingPart | PartResult | None:
        """A part of an id; None where it is not open, and has not ended lately.

        Args:
            part: id of the part.
            wait_s: longest time for which its end is waited for.
            number: of the part that is meant; None for the latest.
        """
        until_s = time.monotonic() + wait_s
        found = await self._find(part, number, 0.0)
        while isinstance(found, WaitingPart):
            left_s = until_s - time.monotonic()
            if left_s <= 0 or self._closing():
                break
            # That very part, though its id may stand for another one the moment it has ended.
            found = await self._find(part, found.number, min(left_s, _WAITS_S))
        return found

    def close(self) -> None:
        """End every open part, as the server ends; none begins here any more."""
        self._led.stop()
        self._parts.close()
        self._arm()

    @property
    def _leads(self) -> bool:
        return self._peers.leading.is_set()

    async def _claim(self, wish: ViewWish) -> Claim:
        await self._book.load()
        await self._number()
        claim = self._parts.claim(wish, self._book.current)
        self._arm()
        return claim

    async def _end(self, part: str, unseen: ViewWish | None) -> PartResult:
        if unseen is not None:
            await self._book.load()
            await self._number()
        return self._parts.end(part, unseen, self._book.current)

    async def _number(self) -> None:
        if not self._numbered:
            highest = await self._highest()
            if not self._numbered:
                self._parts.go_on_after(highest)
                self._numbered = True

    async def _find(
        self, part: str, number: int | None, wait_s: float
    ) -> WaitingPart | PartResult | None:
        if self._leads:
            return await self._find_here(part, number, wait_s)
        found = await self._ask("find", part=part, number=number, wait_s=wait_s)
        return FOUND.validate_python(found["found"])

    async def _find_here(
        self, part: str, number: int | None, wait_s: float
    ) -> WaitingPart | PartResult | None:
        found = self._parts.find(part, number)
        if not isinstance(found, WaitingPart) or wait_s <= 0:
            return await self._kept(found)
        ended = self._ends.setdefault(found.number, asyncio.Event())
        try:
            async with asyncio.timeout(wait_s):
                await ended.wait()
        except TimeoutError:
            pass
        return await self._kept(self._parts.find(part, number))

    async def _kept(self, found: _Found) -> _Found:
        """The same, once the record has it where it is a result that waits for that.

        Raises:
            RecordError: it has not yet.
        """
        if self._stored is not None and isinstance(found, PartResult):
            await self._stored(found.number)
        return found

    def _ended(self, result: PartResult) -> None:
        if (waiting := self._ends.pop(result.number, None)) is not None:
            waiting.set()
        self._note(result)

    def _arm(self) -> None:
        """Have the next deadline heard; one that comes a moment early is waited for again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_s = self._parts.next_deadline_s
        if due_s is not None:
            left_s = max(0.0005, due_s - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(left_s, self._expire)

    def _expire(self) -> None:
        self._parts.expire()
        self._arm()

    async def _ask(self, act: Act, **body: Any) -> Message:
        """What the worker that leads answers; see `Led.ask`."""

        def may_be_done(replies: Sequence[Reply]) -> bool:
            return act in ("take", "end") and any(reply.failure for reply in replies)

        return await self._led.ask({"act": act, **body}, _ASKED_WITHIN_S, may_be_done)

    async def _do(self, body: Message) -> Message:
        act: Act = body["act"]
        match act:
            case "claim":
                return asdict(await self._claim(ViewWish(**body["wish"])))
            case "take":
                seen = SeenView(**body["seen"])
                taken = self._parts.take(CLAIMS.validate_python(body["claim"]), seen)
                result = await self._kept(taken)
                return {"result": None if result is None else asdict(result)}
            case "release":
                self._parts.release(CLAIMS.validate_python(body["claim"]))
                return {}
            case "end":
                unseen = None if body["unseen"] is None else ViewWish(**body["unseen"])
                return asdict(await self._kept(await self._end(body["part"], unseen)))
            case "find":
                found = await self._find_here(body["part"], body["number"], body["wait_s"])
                return {"found": None if found is None else asdict(found)}


def _unforeseen(body: Message) -> TaktError:
    logger.exception("a part of another worker met something unforeseen")
    return TaktError("something unforeseen went wrong; the service's log has it")


def known(found: WaitingPart | PartResult | None, part: str) -> WaitingPart | PartResult:
    """A part that was found.

    Raises:
        PartNotFoundError: it was not.
    """
    if found is None:
        raise no_part(part)
    return found
