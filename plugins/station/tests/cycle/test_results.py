from __future__ import annotations

from takt_station.cycle.results import DEPTH, ResultBuffer
from takt_station.cycle.signals import ResultCode, ShownResult


def result(number: int) -> ShownResult:
    return ShownResult(number, number, number, ResultCode.OK, None, 0.1, 1)


def buffer_of(*numbers: int) -> ResultBuffer:
    buffer = ResultBuffer()
    buffer.controls(buffering=True, ack=False)
    for number in numbers:
        assert buffer.add(result(number))
    return buffer


def acknowledge(buffer: ResultBuffer) -> None:
    buffer.controls(buffering=True, ack=True)
    buffer.controls(buffering=True, ack=False)


def test_results_are_shown_one_after_another_as_they_are_acknowledged() -> None:
    buffer = buffer_of(1, 2, 3)

    seen = []
    while buffer.valid:
        assert buffer.shown is not None
        seen.append(buffer.shown.inspection)
        acknowledge(buffer)

    assert seen == [1, 2, 3]


def test_the_next_result_is_shown_once_the_acknowledge_has_fallen() -> None:
    buffer = buffer_of(1, 2)

    buffer.controls(buffering=True, ack=True)
    assert (buffer.valid, buffer.waiting) == (False, 1)
    buffer.controls(buffering=True, ack=True)
    assert not buffer.valid

    buffer.controls(buffering=True, ack=False)
    assert (buffer.valid, buffer.shown) == (True, result(2))


def test_a_result_that_comes_while_the_acknowledge_stands_is_shown_when_it_falls() -> None:
    buffer = buffer_of(1)
    buffer.controls(buffering=True, ack=True)

    assert buffer.add(result(2))

    assert not buffer.valid
    buffer.controls(buffering=True, ack=False)
    assert (buffer.valid, buffer.shown) == (True, result(2))


def test_an_acknowledge_without_a_result_takes_none_away() -> None:
    buffer = buffer_of()
    buffer.controls(buffering=True, ack=True)
    buffer.add(result(1))
    buffer.controls(buffering=True, ack=False)

    assert (buffer.valid, buffer.waiting) == (True, 1)


def test_the_ninth_result_is_lost_and_told() -> None:
    buffer = buffer_of(*range(1, DEPTH + 1))

    assert not buffer.add(result(9))

    assert (buffer.overrun, buffer.waiting, buffer.shown) == (True, DEPTH, result(1))
    buffer.overrun = False
    assert not buffer.overrun


def test_without_a_buffer_the_latest_result_is_shown() -> None:
    buffer = ResultBuffer()

    for number in (1, 2, 3):
        assert buffer.add(result(number))

    assert (buffer.shown, buffer.waiting, buffer.overrun) == (result(3), 1, False)


def test_whoever_buffers_no_more_sees_the_latest_result() -> None:
    buffer = buffer_of(1, 2, 3)

    buffer.controls(buffering=False, ack=False)

    assert (buffer.shown, buffer.valid, buffer.waiting) == (result(3), True, 1)


def test_an_acknowledge_that_ends_buffering_takes_away_what_was_shown_and_nothing_unseen() -> None:
    buffer = buffer_of(1, 2, 3)

    buffer.controls(buffering=False, ack=True)

    assert (buffer.shown, buffer.valid, buffer.waiting) == (result(3), True, 1)
