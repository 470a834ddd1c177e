"""What a plugin of the group `takt.outlets` is given, and what it gives: a sender or a delivery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from takt.core.domain import Json
from takt.observing.records import AnswerRecord, Asked, PartRecord


@dataclass(frozen=True, slots=True)
class OutletContext:
    """What an outlet may know of the server that opens it.

    Attributes:
        name: of the plugin, as the setting `plugins` has it.
        options: its own settings, as texts: `TAKT_PLUGIN_<NAME>_FILE` of the environment is `file`.
        folder: in the server's `data_folder`, for what it keeps; it makes it where it needs one.
        worker: number of this process; each worker of a server opens an outlet of its own.
    """

    name: str
    options: Mapping[str, str]
    folder: Path
    worker: int


def _hold_nothing() -> None:
    """For senders that hold nothing."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Takes answers one after another, on a thread of its own, and may take its time.

    Attributes:
        send: takes an answer, and what came with its picture; what it raises is counted and logged,
            and the next answer follows. Nothing is sent twice.
        close: called once, on the same thread, after the last answer.
        begin: called once, on the same thread, before the first answer; what it raises is logged.
        flush: called on the same thread once no further answer waits, 20 ms after the time before
            at the soonest, and after 64 answers, for a sender that gathers; what it raises is
            logged.
        send_part: the same for the result of a part of several views, which comes after the answers
            to its views; None for a sender that does not want them.
        pictures: whether it wants the pictures as well; `Asked.picture` is None otherwise, and for
            one that finds no room.
        most_waiting: answers that may wait; one more is lost.
    """

    send: Callable[[AnswerRecord, Asked], object]
    close: Callable[[], object] = _hold_nothing
    begin: Callable[[], object] = _hold_nothing
    flush: Callable[[], object] = _hold_nothing
    send_part: Callable[[PartRecord], object] | None = None
    pictures: bool = False
    most_waiting: int = 1000


@dataclass(frozen=True, slots=True)
class Delivery:
    """Hands messages on that the server keeps: each at least once and in order, after a kill too.

    A message is on the disk before it is sent, and until `deliver` has returned for it.

    >>> Delivery(lambda answer, asked: {"score": answer.verdict.score}, print)  # doctest: +ELLIPSIS
    Delivery(message_of=..., deliver=<built-in function print>, message_of_part=None)

    Attributes:
        message_of: what is told of an answer, as a JSON object; None where nothing is told. What it
            raises is counted and logged, and the next answer follows.
        deliver: hands one message on, and returns once the other end has taken it. It is called on
            a thread of its own, may block, and should give up after some seconds. The message has
            `id`, which stays when it is sent again, and `late`, whether it could not be sent when
            it came. It raises `RefusedError` where this message is never taken, and `AwayError` or
            any other exception to be given the same message again, after a longer wait each time;
            what is neither of these nor an `OSError` is logged with its traceback.
        message_of_part: the same as `message_of` for the result of a part of several views; None
            for an outlet that tells nothing of them.
    """

    message_of: Callable[[AnswerRecord, Asked], Json | None]
    deliver: Callable[[Json], object]
    message_of_part: Callable[[PartRecord], Json | None] | None = None


class AwayError(Exception):
    """The other end does not take what is sent; the text says why.

    Args:
        why: for people.
        again_s: seconds for which it asks to be left alone.
    """

    def __init__(self, why: str, again_s: float = 0.0) -> None:
        super().__init__(why)
        self.again_s = again_s


class RefusedError(Exception):
    """The other end never takes this message; the text says why."""


OutletFactory = Callable[[OutletContext], Sender | Delivery]
"""What an entry point of the group names; it raises where its options are wrong."""
