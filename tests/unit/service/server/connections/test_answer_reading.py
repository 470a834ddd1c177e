from __future__ import annotations

from takt.server.connections.answer_reading import (
    PROGRESS_WITHIN_S,
    READ_WITHIN_S,
    AnswerReading,
)


class Transport:
    def __init__(self, size: int = 0) -> None:
        self.size = size

    def get_write_buffer_size(self) -> int:
        return self.size


def test_a_client_that_goes_on_reading_has_time_but_not_for_ever() -> None:
    reading, transport = AnswerReading(), Transport(1000)
    late = []
    for second in range(int(READ_WITHIN_S) + 1):
        transport.size -= 1
        reading.unread_bytes(transport, second)  # type: ignore[arg-type]
        late.append(reading.is_late(second))
    assert late == [False] * int(READ_WITHIN_S) + [True]


def test_a_client_that_reads_nothing_is_late_soon() -> None:
    reading, transport = AnswerReading(), Transport(1000)
    reading.unread_bytes(transport, 0.0)  # type: ignore[arg-type]
    assert not reading.is_late(PROGRESS_WITHIN_S - 1)
    assert reading.is_late(PROGRESS_WITHIN_S)


def test_each_answer_has_its_own_time() -> None:
    reading, transport = AnswerReading(), Transport()
    for second in range(3 * int(READ_WITHIN_S)):
        # Another answer every ten seconds, of which there is always a rest.
        transport.size = 1000 - second % 10
        reading.unread_bytes(transport, second)  # type: ignore[arg-type]
        assert not reading.is_late(second)
