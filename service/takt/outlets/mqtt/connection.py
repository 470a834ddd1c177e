"""One connection to a broker: the place where paho is asked, and its errors become ours.

Paho runs on the event loop: it is told when its socket can be read or written. It is asked itself,
as wrappers such as aiomqtt do not tell which messages the broker has refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from takt.core.errors import ConfigurationError
from takt.outlets.blocking import beside
from takt.outlets.mqtt.broker import Broker
from takt.outlets.mqtt.client import BoundedClient
from takt.outlets.plugin import AwayError

KEEPALIVE_S = 10
"""A broker that says nothing for so long is away."""

LEAST_BYTES = 1024
"""Least bytes of a packet that a broker has to take: a verdict with few regions has as many."""

_CONNECTED_WITHIN_S = 10.0
_LOOKED_AFTER_EVERY_S = 1.0
_AT_LEAST_ONCE = 1
_MOST_UNDER_WAY = 64
_WITH_WILL = ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message")
_HEAD_BYTES = 16
"""Most bytes of a published packet beside topic and payload: type, lengths, number, properties."""

Acknowledged = Callable[[int, int], None]
"""Hears that the broker has a message: its number, and a reason, which refuses it from 128 on."""


@dataclass(frozen=True, slots=True)
class Retained:
    """What a broker keeps for those who come later.

    Attributes:
        topic: where.
        payload: what.
    """

    topic: str
    payload: bytes


class BrokerConnection:
    """A connection by paho.

    Args:
        broker: where to.
        client_id: who this is; the same one again takes the place of the one before.
        will: published by the broker when the connection is lost.
        acknowledged: hears of each message that the broker has.

    Attributes:
        most_under_way: messages that the broker takes before it has acknowledged the first.
        most_bytes: of a message with its topic; infinity where the broker names no bound.
        lost: done, with the reason, once the connection is gone.
    """

    def __init__(
        self, broker: Broker, client_id: str, will: Retained, acknowledged: Acknowledged
    ) -> None:
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._answered: asyncio.Future[None] = self._loop.create_future()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self.most_under_way = _MOST_UNDER_WAY
        self.most_bytes = math.inf
        self._closed = False
        self._reads_later = False
        self._looking: asyncio.TimerHandle | None = None
        self._client = client = BoundedClient(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _CONNECTED_WITHIN_S
        # Who sends keeps to what the broker takes.
        client.max_inflight_messages_set(65_535)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = lambda _, data, number, why, rest: acknowledged(number, why.value)
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = lambda _, data, one: self._soon(self._forget, one.fileno())
        client.on_socket_register_write = lambda _, data, one: self._soon(self._watch_writing, one)
        client.on_socket_unregister_write = lambda _, data, one: self._soon(self._written, one)
        client.will_set(will.topic, will.payload, _AT_LEAST_ONCE, retain=True)

    async def open(self) -> None:
        """Connect.

        Raises:
            AwayError: the broker cannot be reached, or refuses.
        """
        broker, client = self._broker, self._client
        try:
            if broker.user:
                client.username_pw_set(broker.user, broker.password())
            if (context := broker.tls_context()) is not None:
                client.tls_set_context(context)
            async with asyncio.timeout(_CONNECTED_WITHIN_S):
                await beside(self._connect)
                await self._answered
        except TimeoutError:
            await self.close()
            raise AwayError(
                f"{broker.name} does not answer within {_CONNECTED_WITHIN_S:.0f} s"
            ) from None
        except (OSError, ValueError, ConfigurationError) as error:
            await self.close()
            raise AwayError(f"{broker.name} cannot be reached: {error}") from None
        except BaseException:
            await self.close()
            raise
        self._look_after()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send a message, at least once; gives its number.

        Raises:
            AwayError: the connection is gone.
        """
        sent = self._client.publish(topic, payload, _AT_LEAST_ONCE, retain)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise AwayError(f"{self._broker.name} takes nothing: {sent.rc.name}")
        return sent.mid

    async def close(self, *, as_lost: bool = False) -> None:
        """End the connection.

        Args:
            as_lost: whether the broker publishes the will all the same.
        """
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
        self._client.disconnect(_WITH_WILL if as_lost else None)
        # Paho closes its socket as it reads that the broker has closed its own.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOKED_AFTER_EVERY_S):
                if self._client.socket() is not None:
                    await asyncio.shield(self.lost)
        if (left := self._client.socket()) is not None:
            self._forget(left.fileno())
            left.close()
        if self._answered.done() and not self._answered.cancelled():
            self._answered.exception()

    def _connect(self) -> None:
        self._client.connect(
            self._broker.host,
            self._broker.port,
            KEEPALIVE_S,
            clean_start=True,
            properties=self._client.bounds(),
        )
        if self._closed and (left := self._client.socket()) is not None:
            left.close()

    def _look_after(self) -> None:
        self._client.loop_misc()
        if not self.lost.done():
            self._looking = self._loop.call_later(_LOOKED_AFTER_EVERY_S, self._look_after)

    def _on_connect(
        self,
        client: Client,
        userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if self._answered.done():
            return
        if reason.is_failure:
            name = self._broker.name
            self._answered.set_exception(AwayError(f"{name} refuses the connection: {reason}"))
            return
        most_bytes = getattr(properties, "MaximumPacketSize", math.inf)
        if most_bytes < LEAST_BYTES:
            # Each message would be too large, and all that waits would be dropped.
            why = f"takes packets of {most_bytes} bytes at most; have it take {LEAST_BYTES} or more"
            self._answered.set_exception(AwayError(f"{self._broker.name} {why}"))
            return
        takes = getattr(properties, "ReceiveMaximum", _MOST_UNDER_WAY)
        self.most_under_way = min(takes, _MOST_UNDER_WAY)
        self.most_bytes = most_bytes - _HEAD_BYTES
        self._answered.set_result(None)

    def _on_disconnect(
        self,
        client: Client,
        userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        why = f"{self._broker.name} has gone: {self._client.refusal or reason}"
        if not self._answered.done():
            self._answered.set_exception(AwayError(why))
        if not self.lost.done():
            self.lost.set_result(why)

    # The socket is opened, and may be closed, by the thread that connects.
    def _on_socket_open(self, client: Client, userdata: object, opened: Any) -> None:
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._soon(self._watch, opened)

    def _watch(self, opened: Any) -> None:
        if opened.fileno() >= 0 and not self._closed:
            self._loop.add_reader(opened.fileno(), self._read, opened)

    def _watch_writing(self, one: Any) -> None:
        if one.fileno() >= 0 and self._client.want_write():
            self._loop.add_writer(one.fileno(), self._client.loop_write)

    def _written(self, one: Any) -> None:
        if one.fileno() >= 0:
            self._loop.remove_writer(one.fileno())
            if self._reads_later:
                self._reads_later = False
                self._watch(one)

    def _forget(self, descriptor: int) -> None:
        if descriptor >= 0:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)

    def _soon(self, what: Callable[[Any], object], about: Any) -> None:
        """Do it on the loop: at once where this is the loop."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(what, about)
        else:
            what(about)

    def _read(self, one: Any) -> None:
        self._client.loop_read()
        # What TLS has decoded already does not make the socket readable again.
        pending = getattr(one, "pending", None)
        while pending is not None and one.fileno() >= 0 and pending():
            self._client.loop_read()
        if one.fileno() >= 0 and self._client.want_write():
            # Paho answers what it reads: a broker that takes no answer is not read from.
            self._reads_later = True
            self._loop.remove_reader(one.fileno())
