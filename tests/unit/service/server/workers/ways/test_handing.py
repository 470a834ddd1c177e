"""Connections go from one process to another, and none is lost on the way."""

from __future__ import annotations

import socket

import pytest

from takt.server.workers.ways.handing import Handed, hand, pair, take


def test_a_connection_arrives_with_what_is_said_of_it() -> None:
    over, there = pair()
    ours, theirs = socket.socketpair()
    with over, there, ours, theirs:
        handed = Handed("relayed", 3, ("10.0.0.7", 4711), "https")
        assert hand(over, handed, theirs)
        theirs.close()
        found = take(there)
        assert found is not None and found[0] == handed
        assert found[1] is not None
        with found[1] as arrived:
            ours.sendall(b"picture")
            arrived.setblocking(True)
            assert arrived.recv(16) == b"picture"


def test_what_finds_no_room_is_said_to_have_found_none() -> None:
    over, there = pair()
    with over, there:
        handed = 0
        while hand(over, Handed("taken")):
            handed += 1
        assert handed > 50
        taken = 0
        while take(there) is not None:
            taken += 1
        assert taken == handed
        assert hand(over, Handed("taken"))


def test_what_a_process_said_is_heard_though_it_ended_before_it_took_all() -> None:
    over, there = pair()
    with over:
        assert hand(over, Handed("main")) and hand(there, Handed("taken"))
        there.close()
        assert take(over) == (Handed("taken"), None)
        with pytest.raises(EOFError):
            take(over)


def test_the_end_of_the_other_process_is_an_end_and_no_connection() -> None:
    over, there = pair()
    with there:
        over.close()
        with pytest.raises(EOFError):
            take(there)
