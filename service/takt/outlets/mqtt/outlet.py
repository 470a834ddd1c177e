"""Makes the outlet to a broker, as the settings say."""

from __future__ import annotations

import time
from pathlib import Path

from takt.core.distribution import install_hint
from takt.core.errors import ConfigurationError
from takt.core.host import own_names
from takt.observing.records import AnswerRecord, Asked, PartRecord
from takt.outlets.forwarding import Carrier
from takt.outlets.kept import MakeMessages, OutletMessage, keep
from takt.outlets.message import part_body, verdict_body
from takt.outlets.metrics import OutletMetrics
from takt.outlets.mqtt.broker import parse_broker
from takt.outlets.mqtt.topics import Topics
from takt.outlets.places import SpoolPlace
from takt.outlets.plugin import Sender
from takt.outlets.settings import OutletSettings

NAME = "mqtt"


def mqtt_sender(
    settings: OutletSettings, folder: Path, metrics: OutletMetrics, *, recorded: bool
) -> Sender:
    """What sends verdicts to a broker.

    Args:
        settings: of the outlets.
        folder: in which it keeps what it has not delivered.
        metrics: count what becomes of messages.
        recorded: whether the server keeps a record.

    Raises:
        ConfigurationError: a setting cannot be used, or paho-mqtt is not installed.
    """
    broker = parse_broker(
        settings.mqtt_url, settings.mqtt_user, settings.mqtt_password_file, settings.mqtt_ca
    )
    topics = Topics(settings.mqtt_topic or f"takt/{own_names()[0]}")
    try:
        from takt.outlets.mqtt.carrier import MqttCarrier
        from takt.outlets.mqtt.connection import Acknowledged, BrokerConnection, Retained
    except ImportError as error:
        raise ConfigurationError(
            f"mqtt_url needs paho-mqtt, which cannot be imported ({error}); {install_hint('mqtt')}"
        ) from None

    def of_answer(answer: AnswerRecord, asked: Asked) -> OutletMessage:
        topic = topics.verdict(asked.labels.station, answer.model)
        return OutletMessage(topic, verdict_body(answer, asked, recorded=recorded))

    def of_part(part: PartRecord) -> OutletMessage:
        return OutletMessage(topics.part(part.station, part.recipe), part_body(part))

    def open_carrier(place: SpoolPlace) -> Carrier:
        async def connect(will: Retained, acknowledged: Acknowledged) -> BrokerConnection:
            connection = BrokerConnection(broker, f"takt-{place.spool.id}", will, acknowledged)
            await connection.open()
            return connection

        return MqttCarrier(connect, topics.status(place.name), time.time)

    messages = MakeMessages(of_answer, of_part)
    return keep(NAME, folder / NAME, settings.outlet_backlog, messages, open_carrier, metrics)
