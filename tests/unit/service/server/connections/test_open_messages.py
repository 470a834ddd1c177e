from __future__ import annotations

from takt.server.connections.open_messages import AFTER_S, OpenMessages


class Holder:
    def __init__(self, since_s: float, pace: float = 0.0) -> None:
        self.since_s = since_s
        self.pace = pace
        self.given_up = False

    def message_pace(self, now_s: float) -> tuple[float, float]:
        return now_s - self.since_s, self.pace

    def give_up_message(self) -> None:
        self.given_up = True


def test_the_slowest_of_the_late_messages_makes_room() -> None:
    messages = OpenMessages(limit_bytes=100)
    slow, fair, new = Holder(0.0, pace=1.0), Holder(0.0, pace=2.0), Holder(AFTER_S + 1)
    assert messages.hold(slow, 40, 0.0)
    assert messages.hold(fair, 40, 0.0)
    assert messages.hold(new, 40, AFTER_S + 1)
    assert (slow.given_up, fair.given_up, new.given_up) == (True, False, False)
    assert messages.total_bytes == 80


def test_where_no_message_is_late_the_newest_is_not_taken() -> None:
    messages = OpenMessages(limit_bytes=100)
    early, new = Holder(0.0), Holder(1.0)
    assert messages.hold(early, 80, 0.0)
    assert not messages.hold(new, 40, 1.0)
    assert not early.given_up
    assert messages.total_bytes == 80


def test_a_message_that_grows_counts_once() -> None:
    messages = OpenMessages(limit_bytes=100)
    one = Holder(0.0)
    for size in (10, 60, 100):
        assert messages.hold(one, size, 0.0)
    assert messages.total_bytes == 100
    messages.release(one)
    messages.release(one)
    assert messages.total_bytes == 0
