"""Paho's client, which holds a broker to what it was told that is taken of it.

Paho tells a broker such bounds and does not keep to them itself: it reads what a packet says it
has, up to 268 MB, and keeps each message until the broker says that it is over.
"""

from __future__ import annotations

from typing import Final

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

MOST_PACKET_BYTES: Final = 16 * 1024
"""Most bytes of a packet from a broker. Nothing is subscribed to, so that few are needed."""

MOST_UNSETTLED: Final = 64
"""Most messages of a broker that have begun and not ended."""


class BoundedClient(Client):
    """Ends the connection to a broker that sends more than it was told.

    What it overrides is private in paho: its tests run against real sockets, and fail where paho
    does not ask these any more.

    Attributes:
        refusal: what the broker did, once it has sent too much; empty before.
    """

    refusal = ""

    @staticmethod
    def bounds() -> Properties:
        """What a broker is told."""
        told = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        told.MaximumPacketSize = MOST_PACKET_BYTES
        told.ReceiveMaximum = MOST_UNSETTLED
        return told

    def _sock_recv(self, bufsize: int) -> bytes:
        """Read from the socket; paho asks for the whole rest of a packet at once."""
        if bufsize > MOST_PACKET_BYTES:
            self.refusal = (
                f"it sends a packet of {bufsize} bytes, and {MOST_PACKET_BYTES} are taken"
            )
            raise ConnectionError(self.refusal)
        return super()._sock_recv(bufsize)

    def _handle_publish(self) -> MQTTErrorCode:
        """Take a message; it is kept where the broker has to say that it is over."""
        if len(self._in_messages) >= MOST_UNSETTLED:
            self.refusal = f"it sends more than {MOST_UNSETTLED} messages without an end"
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        return super()._handle_publish()
