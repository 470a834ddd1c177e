"""Watching a stream: whoever watches sees its newest frame, and the stream never waits for it.

A stream that nobody watches keeps nothing for it. Of one that is watched the newest frame stays,
and those that are on their way to somebody; which of them a watcher missed, it is told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from takt.core.domain import NO_LABELS, Labels, RawPicture
from takt.core.errors import RequestError
from takt.streaming.entrance import Picture
from takt.streaming.frames import Frame
from takt.streaming.link import Stop
from takt.streaming.outcomes import AnsweredFrame, DroppedFrame, FailedFrame, Outcome
from takt.streaming.statistics import FrameCounts

MOST_SKIPPED = 100
"""Most frames that a watcher is told of which it did not see; the newest of them."""

GiveBack = Callable[[], None]
Hold = Callable[[int], GiveBack | None]
"""Takes so many bytes of memory; gives what gives them back, None where there is no room."""


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a stream from its beginning.

    Attributes:
        model: that answers.
        version: that the stream's address names; None for the active one.
        caller: who streams: a key's name, or an address.
        since_s: Unix time of its begin.
        labels: what the sender says of every frame.
    """

    model: str
    version: str | None
    caller: str
    since_s: float
    labels: Labels = NO_LABELS


@dataclass(frozen=True, slots=True)
class Skipped:
    """A frame that came and went while a watcher was busy; no score where it failed."""

    sequence: int
    score: float | None
    anomalous: bool
    undecided: bool = False


@dataclass(slots=True, eq=False)
class ShownFrame:
    """A frame as those who watch see it.

    Attributes:
        number: counts what was shown of the stream.
        outcome: the answer, or why there is none.
        counts: of the stream, with this frame.
        picture: as it came; None where the frame failed, or memory had no room for it.
        encoded: the picture for browsers, where somebody has begun to make it.
    """

    number: int
    outcome: AnsweredFrame | FailedFrame
    counts: FrameCounts
    picture: Picture | None
    encoded: asyncio.Future[bytes] | None
    _give_back: GiveBack | None
    _holders: int = 1

    def hold(self) -> None:
        """Keep it until `let_go`."""
        self._holders += 1

    def let_go(self) -> None:
        """Need it no more; the last one who does gives its memory back."""
        self._holders -= 1
        if not self._holders:
            self.picture = None
            if self._give_back is not None:
                self._give_back()


@dataclass(frozen=True, slots=True)
class Glance:
    """What a watcher sees next.

    Attributes:
        frame: the newest; whoever has seen it calls its `let_go`.
        skipped: frames since the one before, the last `MOST_SKIPPED`.
    """

    frame: ShownFrame
    skipped: tuple[Skipped, ...]


class Audience:
    """Those who watch one stream; used on the stream's event loop.

    Args:
        hold: takes memory for the pictures that are shown.

    Attributes:
        ended: whether the stream has ended.
    """

    def __init__(self, hold: Hold = lambda size: lambda: None) -> None:
        self._hold = hold
        self._watchers: list[Watcher] = []
        self._newest: ShownFrame | None = None
        self._last: deque[Skipped] = deque(maxlen=MOST_SKIPPED + 1)
        self._number = 0
        self.ended = False

    def __len__(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def join(self) -> Watcher:
        """One more who watches; sees the frames from now on."""
        watcher = Watcher(self, self._number)
        self._watchers.append(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Who watched is gone; with the last one goes what was kept for them."""
        self._watchers.remove(watcher)
        if not self._watchers:
            self._replace(None)
            self._last.clear()

    def show(self, outcome: Outcome, frame: Frame | None, counts: FrameCounts) -> None:
        """Show a frame to those who watch.

        Args:
            outcome: of the frame; one that was dropped is not shown.
            frame: with its picture, as long as the call lasts.
            counts: of the stream.
        """
        if not self._watchers or isinstance(outcome, DroppedFrame):
            return
        self._number += 1
        # The one before goes first, so that its memory is there for this one.
        self._replace(None)
        picture = None if frame is None else frame.picture
        give_back = None if picture is None else self._hold(_size_of(picture))
        shown = None if give_back is None else picture
        self._replace(ShownFrame(self._number, outcome, counts, shown, None, give_back))
        if isinstance(outcome, AnsweredFrame):
            verdict = outcome.inspection.verdict
            self._last.append(
                Skipped(
                    outcome.sequence,
                    verdict.score,
                    verdict.anomalous,
                    verdict.undecided is not None,
                )
            )
        else:
            self._last.append(Skipped(outcome.sequence, None, anomalous=False))
        for watcher in self._watchers:
            watcher.notice()

    def end(self) -> None:
        """The stream has ended: who watches sees what is there, and no more."""
        self.ended = True
        for watcher in self._watchers:
            watcher.notice()

    def view_after(self, number: int) -> Glance | None:
        """The newest frame, held for the caller; None if there is none after this number."""
        frame = self._newest
        if frame is None or frame.number <= number:
            return None
        frame.hold()
        missed = frame.number - number - 1
        last = list(self._last)[:-1]
        return Glance(frame, tuple(last[-missed:] if missed else ()))

    def _replace(self, frame: ShownFrame | None) -> None:
        if self._newest is not None:
            self._newest.let_go()
        self._newest = frame


class Watcher:
    """One who watches a stream; made by `Audience.join`.

    Args:
        audience: of the stream.
        seen: number of the last frame that it does not see.

    Attributes:
        stopped: done when it must not watch any more.
    """

    def __init__(self, audience: Audience, seen: int) -> None:
        self.stopped: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        self._audience = audience
        self._seen = seen
        self._ready = True
        self._changed = asyncio.Event()

    async def next(self) -> Glance | None:
        """Wait for a frame that is newer than the one before, which must be acknowledged first.

        None once the stream has ended.
        """
        while True:
            if self._ready and (view := self._audience.view_after(self._seen)) is not None:
                self._ready = False
                self._seen = view.frame.number
                return view
            if self._audience.ended:
                return None
            self._changed.clear()
            await self._changed.wait()

    def acknowledge(self) -> None:
        """It has shown the frame before, and takes another one.

        Raises:
            RequestError: there was none.
        """
        if self._ready:
            raise RequestError("`shown` came without a frame; say it once after each")
        self._ready = True
        self._changed.set()

    def notice(self) -> None:
        """Look whether there is something new, if it waits for that."""
        if self._ready or self._audience.ended:
            self._changed.set()

    def stop(self, why: Stop) -> None:
        """End it; the first reason counts."""
        if not self.stopped.done():
            self.stopped.set_result(why)

    def leave(self) -> None:
        """Watch no more."""
        self._audience.leave(self)


def _size_of(picture: Picture) -> int:
    pixels = picture.pixels if isinstance(picture, RawPicture) else picture
    return len(pixels)
