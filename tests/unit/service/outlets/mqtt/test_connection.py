"""A connection to a broker leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket

from service.outlets.mqtt.broker import parse_broker
from service.outlets.mqtt.connection import BrokerConnection, Retained


async def test_a_broker_that_is_reached_when_nobody_waits_any_more_is_not_read_from() -> None:
    """Else the loop takes the next socket of that number for this one, and does not read it."""
    broker = parse_broker("mqtt://127.0.0.1:9", "", None, None)
    one = BrokerConnection(broker, "takt-1", Retained("status", b"{}"), lambda *_: None)
    await one.close()
    with socket.socket() as late:
        one._watch(late)
        assert not asyncio.get_running_loop().remove_reader(late.fileno())
