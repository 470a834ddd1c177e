"""One stream of frames: which are inspected, and the answers in the order of the frames.

A session outlives its connections. Frames come in by `accept`. The outcome of each goes to the
`Link` of the connection that is there, in the order of the frames, and is kept for the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

from takt.core.domain import NO_LABELS, Inspection
from takt.core.errors import NotReadyError, RequestError
from takt.streaming.entrance import Entrance, Inspect
from takt.streaming.evidence import Smoothing, Voting, VotingRule
from takt.streaming.frames import LAST_SEQUENCE, Frame
from takt.streaming.link import Link, Stop
from takt.streaming.outcomes import (
    AnsweredFrame,
    DroppedFrame,
    FailedFrame,
    InspectedView,
    KeptOutcomes,
    Outcome,
)
from takt.streaming.statistics import FrameCounts, StreamStatistics, Tally
from takt.streaming.watching import About, Audience

Policy = Literal["all", "latest"]
Explain = Callable[[int, Exception], FailedFrame]
"""Makes an outcome of the error that ended the frame of this number."""
InspectView = Callable[[Frame, Entrance], Awaitable[InspectedView | FailedFrame]]
"""Inspects a frame as the view of a part that it shows, by the recipe of the part."""
Commit = Callable[[Inspection, Frame], Awaitable[None]]
"""Waits until the answer to a frame may go out; raises if it may not."""
Observe = Callable[[Outcome, Frame | None], None]
"""Hears of an outcome; the frame of an answer is there until it returns."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a stream is treated.

    Attributes:
        policy: `all` drops nothing; with `latest` the newest frame counts, and views of parts are
            not dropped either.
        credits: most frames that came and whose answers are not sent.
        in_flight: most frames that are inspected at the same time, with `latest`; views of parts
            wait for nobody.
        patience_s: how long a frame tries a queue that others have filled, with `all`.
        vote: over the last frames; None for no vote.
        smoothing: weight of each new score; None for no smoothing.
    """

    policy: Policy
    credits: int
    in_flight: int
    patience_s: float
    vote: VotingRule | None = None
    smoothing: float | None = None

    @property
    def room(self) -> int:
        """The credits; with `latest` enough for one to wait and a newer one to take its place."""
        return max(self.credits, self.in_flight + 2) if self.policy == "latest" else self.credits


@dataclass(slots=True, eq=False)
class _Slot:
    """A frame's place in the order of the answers."""

    sequence: int
    captured_us: int
    arrived_s: float
    result: Inspection | InspectedView | FailedFrame | None = None
    frame: Frame | None = None
    task: asyncio.Task[None] | None = None


class Session:
    """A stream; made and used on one event loop.

    >>> async def broken(read: object) -> Inspection:
    ...     raise ValueError("no picture")
    >>> def explain(sequence: int, error: Exception) -> FailedFrame:
    ...     return FailedFrame(sequence, 400, "invalid_image", "Invalid image", str(error))
    >>> async def stream() -> list[str]:
    ...     rules = Rules("all", credits=4, in_flight=1, patience_s=1.0)
    ...     session = Session("key", None, broken, explain, rules, lambda *heard: None)
    ...     link = session.attach()
    ...     session.accept(Frame(7, captured_us=0, picture=b"nonsense"))
    ...     failed = await link.next()
    ...     return [f"frame {failed.sequence}: {failed.detail}"]
    >>> asyncio.run(stream())
    ['frame 7: no picture']

    Args:
        key: names it; whoever knows it may go on with the stream.
        wishes: it was begun with these; whoever goes on with it must wish the same.
        inspect: answers one picture.
        explain: makes an outcome of what `inspect` raises.
        rules: how the stream is treated.
        observe: hears of each outcome, once, and has the frame of an answer.
        about: what those are told who want to watch; None for a stream that nobody finds.
        audience: those who watch; nobody by default.
        inspect_view: inspects views of parts; None for a stream that takes none.
        commit: is waited for before the answer to a frame that is no view; None for nothing.

    Attributes:
        finished: whether it takes no more frames, so that nobody may go on with it.
        part: what the sender said last of the part that the next frames show.
    """

    def __init__(
        self,
        key: str,
        wishes: object,
        inspect: Inspect,
        explain: Explain,
        rules: Rules,
        observe: Observe,
        about: About | None = None,
        audience: Audience | None = None,
        inspect_view: InspectView | None = None,
        commit: Commit | None = None,
    ) -> None:
        self.about = about
        self.audience = Audience() if audience is None else audience
        self.key = key
        self.wishes = wishes
        self.rules = rules
        self._entrance = Entrance(inspect, rules.patience_s if rules.policy == "all" else 0.0)
        self._inspect_view = inspect_view
        self._commit = commit
        self._explain = explain
        self._observe = observe
        self._voting = Voting(rules.vote) if rules.vote else None
        self._smoothing = Smoothing(rules.smoothing) if rules.smoothing else None
        self._tally = Tally()
        self._kept = KeptOutcomes(rules.room)
        self._last_sequence = -1
        self._order: deque[_Slot] = deque()
        self._in_flight = 0
        self._waiting: _Slot | None = None
        self._link: Link | None = None
        self.finished = False
        self.part = NO_LABELS
        self._may_have_room = asyncio.Event()

    @property
    def id(self) -> str:
        """Names it in the log, in the record and to those who watch; too short to go on with it."""
        return self.key[:8]

    @property
    def connected(self) -> bool:
        """Whether its client is there."""
        return self._link is not None

    @property
    def next_sequence(self) -> int:
        """The lowest number that the next frame may have; the last one there is, once that is used.

        Every number of a stream fits 64 bits.
        """
        return min(self._last_sequence + 1, LAST_SEQUENCE)

    @property
    def statistics(self) -> StreamStatistics:
        """What the stream has done so far."""
        return self._tally.statistics()

    @property
    def counts(self) -> FrameCounts:
        """Its frames so far."""
        return self._tally.counts

    def begin_after(self, sequence: int) -> None:
        """Take only frames after this one; for a stream that began elsewhere."""
        self._last_sequence = max(self._last_sequence, sequence)

    def attach(self, after: int | None = None) -> Link:
        """Connect; a connection that is still there must end.

        Args:
            after: number of the last frame whose answer is known; outcomes of later frames are
                sent again.
        """
        if self._link is not None:
            self._link.stop(Stop.TAKEN_OVER)
        self._link = Link(self._kept.after(after))
        self._settle()
        return self._link

    def detach(self, link: Link) -> bool:
        """Disconnect; what becomes ready is kept for the next connection.

        Returns:
            Whether it was connected by this link, and not by another one that has come since.
        """
        if self._link is not link:
            return False
        self._link = None
        self._settle()
        return True

    def stop(self, why: Stop) -> None:
        """Ask the connection to end."""
        if self._link is not None:
            self._link.stop(why)

    def finish(self) -> None:
        """Take no more frames; the link ends once everything accepted is sent."""
        self.finished = True
        self._settle()

    def cancel(self) -> None:
        """Give up the frames under way, since nobody will ask for them."""
        self.finished = True
        for slot in self._order:
            if slot.task is not None:
                slot.task.cancel()
            _release(slot)
        self._order.clear()
        self._waiting = None
        self._settle()
        self.audience.end()

    async def room(self) -> None:
        """Wait until one more frame may come; reading no further makes the sender wait."""
        while self._under_way >= self.rules.room:
            self._may_have_room.clear()
            await self._may_have_room.wait()

    def accept(self, frame: Frame) -> None:
        """Take a frame; its outcome goes to the link.

        Raises:
            RequestError: its number is not greater than the one before.
            NotReadyError: the session has ended.
        """
        self._count(frame.sequence)
        slot = _Slot(frame.sequence, frame.captured_us, time.perf_counter(), frame=frame)
        self._order.append(slot)
        # Nobody sends a view again because a newer frame is there: it shows something else.
        kept = self.rules.policy == "all" or frame.view is not None
        if kept or self._in_flight < self.rules.in_flight:
            self._start(slot)
            return
        replaced, self._waiting = self._waiting, slot
        if replaced is not None:
            self._order.remove(replaced)
            _release(replaced)
            self._emit(DroppedFrame(replaced.sequence, self._tally.dropped + 1), None)

    def refuse(
        self, sequence: int, captured_us: int, error: Exception, model: str | None = None
    ) -> None:
        """Answer a frame by an error, in its place in the order.

        Args:
            sequence: of the frame.
            captured_us: of the frame.
            error: why it is refused.
            model: for which it counts; None for the stream's.

        Raises:
            RequestError, NotReadyError: as `accept` does.
        """
        self._count(sequence)
        failed = replace(self._explain(sequence, error), model=model)
        self._order.append(_Slot(sequence, captured_us, time.perf_counter(), failed))
        self._advance()

    def report(self) -> None:
        """Send the statistics."""
        if self._link is not None:
            self._link.push(self.statistics)

    def sent(self, link: Link) -> None:
        """Count an outcome as sent, which gives its credit back."""
        link.sent()
        self._settle()

    @property
    def _under_way(self) -> int:
        unsent = 0 if self._link is None else len(self._link)
        return len(self._order) + unsent

    def _count(self, sequence: int) -> None:
        if self.finished:
            raise NotReadyError("the stream has ended; begin another one")
        if sequence <= self._last_sequence:
            raise RequestError(
                f"frame {sequence} came after frame {self._last_sequence}; each frame's number "
                "must be greater than that of the frame before"
            )
        self._last_sequence = sequence
        self._tally.arrived()

    def _start(self, slot: _Slot) -> None:
        self._in_flight += 1
        slot.task = asyncio.create_task(self._answer(slot))

    async def _answer(self, slot: _Slot) -> None:
        assert slot.frame is not None
        try:
            await self._inspect(slot, slot.frame)
        except Exception as error:
            slot.result = self._explain(slot.sequence, error)
        finally:
            self._in_flight -= 1
        if isinstance(slot.result, FailedFrame):
            age_ms = (time.perf_counter() - slot.arrived_s) * 1000
            slot.result = replace(slot.result, age_ms=age_ms)
            _release(slot)
        if self._waiting is not None and self._in_flight < self.rules.in_flight:
            waiting, self._waiting = self._waiting, None
            self._start(waiting)
        self._advance()

    async def _inspect(self, slot: _Slot, frame: Frame) -> None:
        if frame.view is None:
            inspection = await self._entrance.inspect(frame.picture)
            if self._commit is not None:
                await self._commit(inspection, frame)
            slot.result = inspection
            return
        assert self._inspect_view is not None
        slot.result = seen = await self._inspect_view(frame, self._entrance)
        # At once, whatever frames before it still wait for: the part's result is noted next.
        if isinstance(seen, InspectedView):
            self._observe(self._answered(slot, seen), frame)

    def _advance(self) -> None:
        """Emit the results that are ready, in the order of the frames."""
        while self._order and (result := self._order[0].result) is not None:
            slot = self._order.popleft()
            outcome = result if isinstance(result, FailedFrame) else self._answered(slot, result)
            self._emit(outcome, slot.frame)
            _release(slot)
        self._settle()

    def _answered(self, slot: _Slot, result: Inspection | InspectedView) -> AnsweredFrame:
        smoothed_score, vote, view = None, None, None
        if isinstance(result, InspectedView):
            # Another model may have judged it, on another scale: it says nothing of other frames.
            inspection, view = result.inspection, result.answer
        else:
            inspection, verdict = result, result.verdict
            if self._smoothing is not None:
                smoothed_score = self._smoothing.add(verdict.score)
            if self._voting is not None:
                undecided = verdict.undecided is not None
                vote = self._voting.add(verdict.anomalous, undecided=undecided)
        return AnsweredFrame(
            sequence=slot.sequence,
            captured_us=slot.captured_us,
            inspection=inspection,
            age_ms=(time.perf_counter() - slot.arrived_s) * 1000,
            dropped=self._tally.dropped,
            smoothed_score=smoothed_score,
            vote=vote,
            view=view,
        )

    def _emit(self, outcome: Outcome, frame: Frame | None) -> None:
        self._tally.add(outcome)
        self._kept.add(outcome)
        if not (isinstance(outcome, AnsweredFrame) and outcome.view is not None):
            self._observe(outcome, frame)
        if self.audience:
            self.audience.show(outcome, frame, self._tally.counts)
        if self._link is not None:
            self._link.push(outcome)

    def _settle(self) -> None:
        """Wake whoever waits for room or for the end, since something has changed."""
        if self._under_way < self.rules.room:
            self._may_have_room.set()
        if self.finished and self._link is not None and not self._order:
            self._link.drained()


def _release(slot: _Slot) -> None:
    """Let go of a slot's picture, if it still has one."""
    frame, slot.frame = slot.frame, None
    if frame is not None:
        frame.release()
