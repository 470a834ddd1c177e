"""An outlet that delivers: each message is on the disk before it is sent, and until it is taken."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from takt.core.errors import ConfigurationError
from takt.observing.records import AnswerRecord, Asked, PartRecord
from takt.outlets.forwarding import Carrier, Forwarder
from takt.outlets.metrics import OutletMetrics, SpoolCounts
from takt.outlets.places import SpoolPlace
from takt.outlets.plugin import Sender
from takt.outlets.spool import LostMessagesError

_SAID_EVERY = 10_000
"""Dropped messages after which they are told again."""

_MOST_WAITING = 10_000
"""Answers that may wait for the disk, which takes thousands in a second."""

logger = logging.getLogger("takt.outlets")


@dataclass(frozen=True, slots=True)
class OutletMessage:
    """What an outlet makes of an answer.

    Attributes:
        topic: where it goes.
        body: a JSON object without an id.
    """

    topic: str
    body: bytes


@dataclass(frozen=True, slots=True)
class MakeMessages:
    """Makes the messages of an outlet; None for what nobody is told of.

    Attributes:
        of_answer: that of an answer.
        of_part: that of the result of a part of several views.
    """

    of_answer: Callable[[AnswerRecord, Asked], OutletMessage | None]
    of_part: Callable[[PartRecord], OutletMessage | None]


class LostMessageError(Exception):
    """A message that the disk did not take."""

    def __init__(self, outlet: str, reason: Exception) -> None:
        super().__init__(
            f"a message of the outlet {outlet} cannot be stored, and is lost: {reason}"
        )


OpenCarrier = Callable[[SpoolPlace], Carrier]
"""Makes what carries messages to the other end, from where they are kept."""


@dataclass(slots=True)
class KeptMessages:
    """Stores messages in one thread, while a forwarder sends them in another one.

    Args:
        name: of the outlet.
        place: where they are kept.
        forwarder: sends them.
        counts: what becomes of them.
    """

    name: str
    place: SpoolPlace
    forwarder: Forwarder
    counts: SpoolCounts
    _dropped: int = 0

    def begin(self) -> None:
        """Begin to send what is there from before."""
        self.forwarder.start()

    def put(self, message: OutletMessage | None) -> None:
        """Take a message, which is stored by the next `flush`; None is nothing."""
        if message is not None and not self.forwarder.gone:
            self.place.spool.put(message.topic, message.body)

    def flush(self) -> None:
        """Store what was taken, and have it sent; what the disk does not take is lost, and told."""
        try:
            dropped = self.place.spool.commit(late=not self.forwarder.up)
        except LostMessagesError as error:
            self.counts.disk.inc(error.messages)
            lost = LostMessageError(self.name, error.reason)
            # The log tells the first, and every ten seconds how many more were equal.
            for _ in range(error.messages):
                logger.error("%s", lost)
            return
        if dropped:
            self._tell_dropped(dropped)
        self.forwarder.wake()

    def close(self) -> None:
        """End; what is not delivered stays on the disk."""
        self.forwarder.close()
        if left := self.place.spool.waiting:
            logger.warning("messages of the outlet %s that wait for the next start: %d",
                           self.name, left)  # fmt: skip
        self.place.close()

    def _tell_dropped(self, dropped: int) -> None:
        self.counts.full.inc(dropped)
        if self._dropped // _SAID_EVERY != (self._dropped + dropped) // _SAID_EVERY or not (
            self._dropped
        ):
            logger.error("the outlet %s keeps as many messages as it may, and the oldest give way; "
                         "so far: %d", self.name, self._dropped + dropped)  # fmt: skip
        self._dropped += dropped


def keep(
    name: str,
    folder: Path,
    most: int,
    messages: MakeMessages,
    open_carrier: OpenCarrier,
    metrics: OutletMetrics,
) -> Sender:
    """Open an outlet that delivers.

    Args:
        name: of the outlet.
        folder: in which it keeps its messages.
        most: messages that may wait.
        messages: makes them.
        open_carrier: makes what carries them.
        metrics: count what becomes of them.

    Raises:
        ConfigurationError: the folder cannot be used.
    """
    try:
        place = SpoolPlace(folder, most)
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(
            f"the outlet {name} cannot keep its messages in {folder}: {error}; "
            "make the folder writable for the server, or set data_folder"
        ) from None
    counts = metrics.watch_spool(name, lambda: place.spool.waiting)
    forwarder = Forwarder(name, place, open_carrier(place), counts)
    kept = KeptMessages(name, place, forwarder, counts)
    return Sender(
        lambda answer, asked: kept.put(messages.of_answer(answer, asked)),
        kept.close,
        begin=kept.begin,
        flush=kept.flush,
        send_part=lambda part: kept.put(messages.of_part(part)),
        most_waiting=_MOST_WAITING,
    )
