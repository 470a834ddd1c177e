"""An outlet behind its queue: whatever it does, a note waits for nothing and is counted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from takt.core.domain import UNKNOWN_SOURCE, Labels, RawPicture, Timings, Verdict
from takt.observing.records import AnswerRecord, Asked, PartRecord
from takt.outlets.metrics import OutletMetrics
from takt.outlets.plugin import Sender
from takt.outlets.queued import QueuedOutlet

WITHIN_S = 60.0


def answer(request_id: str = "r") -> AnswerRecord:
    verdict = Verdict(True, 0.75, 0.5, 99.0, ())
    timings = Timings(1, 1, 1, 1, 1, 1, 6)
    return AnswerRecord(
        "nut", "1", verdict, 8, 8, timings, "rest", request_id, None, 0.0, (), UNKNOWN_SOURCE
    )


class Receiver:
    """Takes answers once its gate is open, and keeps what it has taken."""

    def __init__(self, *, opened: bool = True) -> None:
        self.gate = threading.Event()
        if opened:
            self.gate.set()
        self.began = threading.Event()
        self.closed = threading.Event()
        self.got: list[tuple[AnswerRecord, Asked]] = []
        self.threads: set[str] = set()

    def send(self, one: AnswerRecord, asked: Asked) -> None:
        self.began.set()
        assert self.gate.wait(WITHIN_S)
        self.threads.add(threading.current_thread().name)
        if one.request_id.startswith("bad"):
            raise ValueError(f"{one.request_id} is not wanted")
        self.got.append((one, asked))

    @property
    def ids(self) -> list[str]:
        return [one.request_id for one, _ in self.got]


class Outlet:
    """An outlet of a receiver, and what was counted."""

    def __init__(self, receiver: Receiver, **options: object) -> None:
        self.registry = CollectorRegistry()
        most_bytes = options.pop("most_bytes", 1000)
        sender = Sender(receiver.send, receiver.closed.set, **options)  # type: ignore[arg-type]
        self.queued = QueuedOutlet(
            "rejects",
            sender,
            OutletMetrics(self.registry),
            most_bytes,  # type: ignore[arg-type]
        )

    def counted(self, outcome: str) -> float | None:
        labels = {"outlet": "rejects", "outcome": outcome}
        return self.registry.get_sample_value("takt_outlet_answers_total", labels)

    @property
    def waiting(self) -> float | None:
        return self.registry.get_sample_value("takt_outlet_waiting", {"outlet": "rejects"})


@pytest.fixture
def stuck() -> Iterator[Receiver]:
    """A receiver that takes nothing until the test has ended."""
    receiver = Receiver(opened=False)
    yield receiver
    receiver.gate.set()


def test_answers_are_sent_in_order_on_a_thread_of_its_own_and_counted() -> None:
    receiver = Receiver()
    outlet = Outlet(receiver)
    outlet.queued.start()
    for number in range(5):
        outlet.queued.note(answer(f"r{number}"), Asked(labels=Labels(part="A-17")))
    outlet.queued.close(WITHIN_S)

    assert receiver.ids == [f"r{number}" for number in range(5)]
    assert {asked.labels.part for _, asked in receiver.got} == {"A-17"}
    assert receiver.threads == {"outlet-rejects"}
    assert (outlet.counted("sent"), outlet.counted("failed"), outlet.counted("lost")) == (5, 0, 0)
    assert outlet.waiting == 0


def test_every_count_is_shown_from_0_on() -> None:
    outlet = Outlet(Receiver())
    assert [outlet.counted(outcome) for outcome in ("sent", "failed", "lost")] == [0, 0, 0]
    assert outlet.waiting == 0


def test_one_that_hangs_keeps_nobody_and_what_finds_no_room_is_lost(stuck: Receiver) -> None:
    outlet = Outlet(stuck, most_waiting=3)
    outlet.queued.start()
    for number in range(10):
        outlet.queued.note(answer(f"r{number}"), Asked())
    assert (outlet.waiting, outlet.counted("lost")) == (3, 7)

    stuck.gate.set()
    outlet.queued.close(WITHIN_S)
    assert stuck.ids == ["r0", "r1", "r2"]
    assert (outlet.counted("sent"), outlet.counted("lost")) == (3, 7)


def test_one_that_raises_goes_on_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver()
    outlet = Outlet(receiver)
    outlet.queued.start()
    with caplog.at_level(logging.ERROR, "takt.outlets"):
        for number in range(50):
            outlet.queued.note(answer(f"bad{number}"), Asked())
        outlet.queued.note(answer("good"), Asked())
        outlet.queued.close(WITHIN_S)

    assert receiver.ids == ["good"]
    assert (outlet.counted("failed"), outlet.counted("sent")) == (50, 1)
    (line,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert "the outlet rejects has failed to send" in line.getMessage()
    assert line.exc_info is not None and "bad0 is not wanted" in str(line.exc_info[1])


def test_one_that_would_end_its_thread_goes_on() -> None:
    got: list[str] = []

    def send(one: AnswerRecord, asked: Asked) -> None:
        if one.request_id == "bad":
            raise SystemExit(1)
        got.append(one.request_id)

    outlet = QueuedOutlet("rejects", Sender(send), OutletMetrics(CollectorRegistry()))
    outlet.start()
    for request_id in ("bad", "good"):
        outlet.note(answer(request_id), Asked())
    outlet.close(WITHIN_S)
    assert got == ["good"]


def test_what_waits_at_the_end_is_sent_before_it_closes(stuck: Receiver) -> None:
    outlet = Outlet(stuck)
    outlet.queued.start()
    outlet.queued.note(answer("r0"), Asked())
    outlet.queued.note(answer("r1"), Asked())
    assert stuck.began.wait(WITHIN_S) and not stuck.closed.is_set()
    stuck.gate.set()
    outlet.queued.close(WITHIN_S)

    assert stuck.ids == ["r0", "r1"]
    assert stuck.closed.is_set()


def test_what_is_left_at_the_deadline_is_lost_and_counted_once(
    stuck: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    outlet = Outlet(stuck)
    outlet.queued.start()
    for number in range(3):
        outlet.queued.note(answer(f"r{number}"), Asked())
    assert stuck.began.wait(WITHIN_S)
    outlet.queued.close(timeout_s=0)

    assert (outlet.counted("lost"), outlet.waiting) == (3, 0)
    assert "not reached the outlet rejects, as it ends: 3" in caplog.text
    stuck.gate.set()
    assert stuck.closed.wait(WITHIN_S)
    assert stuck.ids == ["r0"]  # the one under way ends, and no other begins
    assert (outlet.counted("sent"), outlet.counted("lost")) == (0, 3)


def test_one_that_is_closed_takes_nothing_any_more() -> None:
    outlet = Outlet(Receiver())
    outlet.queued.start()
    outlet.queued.close(WITHIN_S)
    outlet.queued.note(answer(), Asked())
    assert (outlet.counted("lost"), outlet.waiting) == (1, 0)


def test_one_that_never_started_can_be_closed() -> None:
    outlet = Outlet(Receiver())
    outlet.queued.note(answer(), Asked())
    outlet.queued.close(WITHIN_S)
    assert outlet.counted("lost") == 1


def test_a_close_that_raises_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> None:
        raise OSError("no space left")

    sender = Sender(lambda *_: None, refuse)
    outlet = QueuedOutlet("rejects", sender, OutletMetrics(CollectorRegistry()))
    outlet.start()
    outlet.close(WITHIN_S)
    assert "the outlet rejects has not ended well" in caplog.text


def test_pictures_are_handed_on_only_where_they_are_wanted() -> None:
    for pictures in (False, True):
        receiver = Receiver()
        outlet = Outlet(receiver, pictures=pictures)
        outlet.queued.start()
        outlet.queued.note(answer(), Asked(b"picture", "line3"))
        outlet.queued.close(WITHIN_S)
        ((_, asked),) = receiver.got
        assert (asked.picture, asked.caller) == (b"picture" if pictures else None, "line3")


def test_pictures_that_wait_are_bounded_and_their_answers_go_on(stuck: Receiver) -> None:
    outlet = Outlet(stuck, pictures=True, most_bytes=10)
    outlet.queued.start()
    raw = RawPicture(b"1234", 2, 2, "mono8")
    for picture in (b"123456", raw, b"1"):
        outlet.queued.note(answer(), Asked(picture))
    stuck.gate.set()
    outlet.queued.close(WITHIN_S)
    assert [asked.picture for _, asked in stuck.got] == [b"123456", raw, None]
    assert outlet.counted("sent") == 3


class Gathering(Receiver):
    """A receiver that gathers answers until it is to flush them."""

    def __init__(self, *, opened: bool = True) -> None:
        super().__init__(opened=opened)
        self.said: list[str] = []
        self.flushed = threading.Event()

    def begin(self) -> None:
        self.said.append("begin")

    def send(self, one: AnswerRecord, asked: Asked) -> None:
        super().send(one, asked)
        self.said.append(one.request_id)

    def flush(self) -> None:
        self.said.append("flush")
        self.flushed.set()


def gathering_outlet(receiver: Gathering) -> QueuedOutlet:
    sender = Sender(
        receiver.send,
        lambda: receiver.said.append("close"),
        begin=receiver.begin,
        flush=receiver.flush,
    )
    return QueuedOutlet("kept", sender, OutletMetrics(CollectorRegistry()))


def test_a_sender_that_gathers_flushes_once_nothing_waits_any_more() -> None:
    receiver = Gathering(opened=False)
    outlet = gathering_outlet(receiver)
    outlet.start()
    for number in range(3):
        outlet.note(answer(f"r{number}"), Asked())
    receiver.gate.set()
    outlet.close(WITHIN_S)
    said = receiver.said
    assert said[:4] == ["begin", "r0", "r1", "r2"]
    assert (set(said[4:-1]), said[-1]) == ({"flush"}, "close")


def test_a_sender_that_gathers_flushes_now_and_then_while_many_wait() -> None:
    receiver = Gathering(opened=False)
    outlet = gathering_outlet(receiver)
    outlet.start()
    for number in range(200):
        outlet.note(answer(f"r{number}"), Asked())
    receiver.gate.set()
    outlet.close(WITHIN_S)
    assert receiver.said.index("flush") <= 65


def test_what_comes_soon_after_a_flush_waits_for_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("takt.outlets.queued._FLUSHED_EVERY_S", 3600.0)
    receiver = Gathering()
    outlet = gathering_outlet(receiver)
    outlet.start()
    outlet.note(answer("r0"), Asked())
    assert receiver.flushed.wait(WITHIN_S)
    for number in range(1, 6):
        outlet.note(answer(f"r{number}"), Asked())
    outlet.close(WITHIN_S)
    said = receiver.said
    assert said[:8] == ["begin", "r0", "flush", "r1", "r2", "r3", "r4", "r5"]
    assert said[8] == "flush"


def test_a_sender_that_fails_to_flush_goes_on_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    got: list[str] = []

    def refuse() -> None:
        raise OSError("no space left")

    sender = Sender(lambda one, _: got.append(one.request_id), flush=refuse)
    outlet = QueuedOutlet("kept", sender, OutletMetrics(CollectorRegistry()))
    outlet.start()
    outlet.note(answer("r0"), Asked())
    outlet.note(answer("r1"), Asked())
    outlet.close(WITHIN_S)
    assert got == ["r0", "r1"]
    assert "no space left" in caplog.text


def a_part(part: str = "A-17") -> PartRecord:
    times = {"began_us": 1, "ended_us": 2, "ended_by": "views"}
    said = {"verdict": "good", "reason": None, "score": 0.4, "view": "top"}
    where = {"station": None, "lot": None, "views": []}
    return PartRecord(1, part, "bracket", 1, **times, **said, **where)  # type: ignore[arg-type]


def test_the_result_of_a_part_comes_after_the_answers_before_it() -> None:
    receiver, parts = Receiver(), []

    def send_part(part: PartRecord) -> None:
        parts.append((part.part, receiver.ids.copy()))

    outlet = Outlet(receiver, send_part=send_part)
    outlet.queued.start()
    outlet.queued.note(answer("top"), Asked())
    outlet.queued.note_part(a_part())
    outlet.queued.close(WITHIN_S)

    assert parts == [("A-17", ["top"])]
    assert outlet.counted("sent") == 2


def test_a_sender_that_wants_no_parts_gets_none_and_none_is_counted() -> None:
    outlet = Outlet(Receiver())
    outlet.queued.start()
    outlet.queued.note_part(a_part())
    outlet.queued.close(WITHIN_S)

    assert (outlet.counted("sent"), outlet.counted("lost")) == (0, 0)


def test_the_result_of_a_part_that_finds_no_room_is_counted_as_lost() -> None:
    outlet = Outlet(Receiver(), send_part=lambda part: None, most_waiting=1)
    for _ in range(3):
        outlet.queued.note_part(a_part())

    assert outlet.counted("lost") == 2
    outlet.queued.start()
    outlet.queued.close(WITHIN_S)
