"""What a plugin delivers is kept until it is taken, and given again in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from takt.core.domain import Json, Labels
from takt.observing.records import Asked
from takt.outlets.delivery import DeliveryCarrier, delivery_sender
from takt.outlets.metrics import OutletMetrics
from takt.outlets.plugin import AwayError, Delivery, OutletContext, RefusedError, Sender
from tests.unit.service.outlets.test_forwarding import Line
from tests.unit.service.outlets.test_queued import WITHIN_S, answer


class OtherEnd:
    """Raises what a test says, one a call, and takes every message after that."""

    def __init__(self, *raised: Exception) -> None:
        self.raised = list(raised)
        self.got: list[Json] = []
        self.happened = threading.Condition()

    def deliver(self, message: Json) -> None:
        with self.happened:
            if self.raised:
                raise self.raised.pop(0)
            self.got.append(message)
            self.happened.notify_all()

    def until(self, messages: int) -> None:
        with self.happened:
            assert self.happened.wait_for(lambda: len(self.got) == messages, WITHIN_S)

    @property
    def numbers(self) -> list[object]:
        return [message["n"] for message in self.got]


def carried(tmp_path: Path, *raised: Exception) -> tuple[Line, OtherEnd]:
    """Two messages, once the other end has taken the second."""
    other = OtherEnd(*raised)
    carrier = DeliveryCarrier(Delivery(lambda answer, asked: None, other.deliver))
    line = Line(tmp_path, lambda _, feed: carrier.carry(feed))
    line.put(b'{"n":0}', b'{"n":1}')
    line.forwarder.start()
    with other.happened:
        assert other.happened.wait_for(lambda: other.got and other.got[-1]["n"] == 1, WITHIN_S)
    line.close()
    return line, other


def test_each_message_comes_once_with_an_id_and_whether_it_is_late(tmp_path: Path) -> None:
    line, other = carried(tmp_path)
    assert other.numbers == [0, 1]
    assert [message["late"] for message in other.got] == [True, True]  # it had not begun
    assert len({message["id"] for message in other.got}) == 2
    assert line.value("takt_outlet_delivered_total") == 2


@pytest.mark.parametrize("away", [AwayError("busy", 70), ConnectionRefusedError(), TimeoutError()])
def test_while_the_other_end_is_away_the_same_message_is_given_again(
    tmp_path: Path, away: Exception
) -> None:
    line, other = carried(tmp_path, away, ValueError("a bug"))
    assert other.numbers == [0, 1]
    assert line.waits[0] == (70 if isinstance(away, AwayError) else 0.5)
    assert len(line.waits) == 2


def test_a_message_that_is_refused_is_dropped_and_the_next_one_follows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line, other = carried(tmp_path, RefusedError("too long"))
    assert other.numbers == [1]
    assert "too long" in caplog.text
    assert line.value("takt_outlet_dropped_total", reason="refused") == 1
    assert line.waits == []


Opened = Callable[..., Sender]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Opens an outlet to an other end: it tells of answers, but of those that are called quiet."""

    def opens(other: OtherEnd) -> Sender:
        def message_of(answer: object, asked: Asked) -> Json | None:
            return None if asked.labels.part == "quiet" else {"n": asked.labels.part}

        context = OutletContext("x", {}, tmp_path / "x", worker=0)
        delivery = Delivery(message_of, other.deliver)
        return delivery_sender(delivery, context, 100, OutletMetrics(CollectorRegistry()))

    return opens


def asked(part: str) -> Asked:
    return Asked(labels=Labels(part=part))


def test_what_was_not_taken_is_sent_by_the_next_start(opened: Opened) -> None:
    first, other = opened(OtherEnd()), OtherEnd()
    for part in ("A", "quiet", "B"):
        first.send(answer(), asked(part))
    first.flush()
    first.close()

    again = opened(other)
    again.begin()
    other.until(2)
    again.close()
    assert other.numbers == ["A", "B"]


def test_one_that_tells_nothing_of_parts_of_several_views_leaves_them_out(opened: Opened) -> None:
    other = OtherEnd()
    sender = opened(other)
    assert sender.send_part is not None
    sender.send_part(None)  # type: ignore[arg-type]
    sender.begin()
    sender.flush()
    sender.close()
    assert other.got == []
