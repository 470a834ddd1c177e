from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takt.server.connections.frame_scanner import FrameScanner

TEXT, BINARY, PING, CONTINUATION = 1, 2, 9, 0


def frame(opcode: int, size: int, *, final: bool = True) -> bytes:
    """A masked frame with `size` bytes of payload."""
    first = (0x80 if final else 0) | opcode
    if size < 126:
        head = bytes([first, 0x80 | size])
    elif size < 65536:
        head = bytes([first, 0x80 | 126]) + size.to_bytes(2)
    else:
        head = bytes([first, 0x80 | 127]) + size.to_bytes(8)
    return head + b"mask" + b"\x89" * size


@pytest.mark.parametrize(
    ("opcode", "size", "final", "chatter"),
    [
        (PING, 0, True, 1),
        (PING, 125, True, 1),
        (TEXT, 5, True, 1),
        (TEXT, 70_000, True, 1),
        (BINARY, 200, True, 0),
        (BINARY, 70_000, True, 0),
        (BINARY, 5, True, 0),
        (BINARY, 0, False, 1),
        (CONTINUATION, 0, False, 1),
        (CONTINUATION, 300, False, 0),
        (CONTINUATION, 5, True, 0),
    ],
)
def test_chatter_is_what_costs_more_to_handle_than_to_send(
    opcode: int, size: int, final: bool, chatter: int
) -> None:
    assert FrameScanner().feed(frame(opcode, size, final=final)) == chatter


def test_a_message_that_is_under_way_is_measured_without_the_pings_within() -> None:
    scanner = FrameScanner()
    whole = frame(BINARY, 1000, final=False) + frame(PING, 20) + frame(CONTINUATION, 500)
    scanner.feed(whole[:-100])
    assert (scanner.in_message, scanner.message_bytes, scanner.messages) == (True, 1400, 0)
    scanner.feed(whole[-100:])
    assert (scanner.in_message, scanner.message_bytes, scanner.messages) == (False, 0, 1)


sizes = st.sampled_from([0, 1, 125, 126, 127, 1000, 65535, 65536])
frames = st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING]), sizes), min_size=1, max_size=8)


@given(frames, st.lists(st.integers(1, 200), max_size=40))
def test_it_makes_no_difference_how_the_bytes_are_cut(
    sent: list[tuple[int, int]], cuts: list[int]
) -> None:
    data = b"".join(frame(opcode, size) for opcode, size in sent)
    at_once, in_parts = FrameScanner(), FrameScanner()
    expected = sum(opcode != BINARY for opcode, _ in sent)
    assert at_once.feed(data) == expected
    found = position = 0
    for cut in cuts:
        found += in_parts.feed(data[position : position + cut])
        position += cut
    assert found + in_parts.feed(data[position:]) == expected
    for scanner in (at_once, in_parts):
        assert scanner.messages == sum(opcode != PING for opcode, _ in sent)
        assert not scanner.in_message
