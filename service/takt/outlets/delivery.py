"""The delivery of a plugin: its messages are kept as those to the broker and to URLs are."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from takt.core.domain import Json
from takt.observing.records import AnswerRecord, Asked, PartRecord
from takt.outlets.blocking import beside
from takt.outlets.forwarding import MessageFeed
from takt.outlets.kept import MakeMessages, OutletMessage, keep
from takt.outlets.metrics import OutletMetrics
from takt.outlets.plugin import AwayError, Delivery, OutletContext, RefusedError, Sender
from takt.outlets.spool import Stored


@dataclass(frozen=True, slots=True)
class DeliveryCarrier:
    """Carries messages by the function of a plugin, one after another.

    Args:
        delivery: of the plugin.
    """

    delivery: Delivery

    async def carry(self, feed: MessageFeed) -> None:
        """Deliver until the feed ends; see `Carrier`."""
        feed.assume_up()
        while some := await feed.next():
            for one in some:
                await self._deliver(one, feed)

    async def _deliver(self, one: Stored, feed: MessageFeed) -> None:
        message = {**orjson.loads(one.body), "id": one.id, "late": one.late}
        try:
            await beside(lambda: self.delivery.deliver(message))
        except RefusedError as error:
            feed.refused(one, str(error))
        except OSError as error:
            raise AwayError(f"{type(error).__name__}: {error}") from error
        else:
            feed.reached()
            feed.delivered(one.seq)


def delivery_sender(
    delivery: Delivery, context: OutletContext, most: int, metrics: OutletMetrics
) -> Sender:
    """Open the outlet of a plugin that delivers.

    Args:
        delivery: what the plugin makes and does.
        context: of the plugin; its messages lie in the folder.
        most: messages that may wait.
        metrics: count what becomes of them.

    Raises:
        ConfigurationError: the folder cannot be used.
    """

    def of_answer(answer: AnswerRecord, asked: Asked) -> OutletMessage | None:
        return _kept(delivery.message_of(answer, asked))

    def of_part(part: PartRecord) -> OutletMessage | None:
        return _kept(delivery.message_of_part(part)) if delivery.message_of_part else None

    carrier = DeliveryCarrier(delivery)
    messages = MakeMessages(of_answer, of_part)
    return keep(context.name, context.folder, most, messages, lambda _: carrier, metrics)


def _kept(message: Json | None) -> OutletMessage | None:
    return None if message is None else OutletMessage("", orjson.dumps(message))
