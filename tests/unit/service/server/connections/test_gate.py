from __future__ import annotations

import pytest

from takt.core.domain import CloseReason
from takt.server.connections.closures import Closures
from takt.server.connections.descriptors import ConnectionLimits
from takt.server.connections.gate import REFUSED_AT_ONCE, ConnectionGate, client_key


class Connection:
    def __init__(self, client: str = "10.0.0.7", idle_s: float | None = None) -> None:
        self.client_key = client
        self.idle_s = idle_s
        self.unread = 0
        self.reasons: list[CloseReason] = []
        self.looks = 0
        self.aborted = False

    def look(self, now_s: float) -> int:
        self.looks += 1
        return self.unread

    def idle_since_s(self, now_s: float) -> float | None:
        return self.idle_s

    def abort(self) -> None:
        self.aborted = True

    def cut(self, reason: CloseReason) -> None:
        self.reasons.append(reason)


def gate_of(most: int, per_client: int | None = None) -> tuple[ConnectionGate, list[CloseReason]]:
    counted: list[CloseReason] = []
    return ConnectionGate(
        lambda: ConnectionLimits(most, per_client or most + 1), Closures(counted.append)
    ), counted


def test_one_more_than_the_limit_is_refused_and_may_come_again_when_one_has_gone() -> None:
    gate, counted = gate_of(2)
    first, second, third = Connection(), Connection(), Connection()
    assert gate.admit(first, 0.0) is None
    assert gate.admit(second, 0.0) is None
    refusal = gate.admit(third, 0.0)
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (503, {"Retry-After": "1"})
    assert "raise max_connections" in str(refusal)
    assert counted == ["too_many"]
    gate.release(third)
    gate.release(first)
    assert gate.admit(third, 0.0) is None
    assert len(gate) == 2


def test_one_client_leaves_room_for_others() -> None:
    gate, counted = gate_of(4, per_client=2)
    for _ in range(2):
        assert gate.admit(Connection("10.0.0.7"), 0.0) is None
    refusal = gate.admit(Connection("10.0.0.7"), 0.0)
    assert "raise max_connections_per_client" in str(refusal)
    assert counted == ["too_many_of_client"]
    assert gate.admit(Connection("10.0.0.8"), 0.0) is None


def test_the_one_that_is_idle_the_longest_makes_room() -> None:
    gate, _ = gate_of(3)
    busy, late, early = Connection(), Connection(idle_s=9.0), Connection(idle_s=3.0)
    for one in (busy, late, early):
        gate.admit(one, 10.0)
    assert gate.admit(Connection(), 10.0) is None
    assert gate.admit(Connection(), 10.0) is None
    assert gate.admit(Connection(), 10.0) is not None
    assert (busy.reasons, late.reasons, early.reasons) == ([], ["evicted"], ["evicted"])
    assert len(gate) == 3
    gate.release(early)
    assert len(gate) == 3


def test_a_client_at_its_limit_takes_no_others_place() -> None:
    gate, _ = gate_of(4, per_client=1)
    other = Connection("10.0.0.8", idle_s=0.0)
    gate.admit(other, 10.0)
    gate.admit(Connection("10.0.0.7"), 10.0)
    assert gate.admit(Connection("10.0.0.7"), 10.0) is not None
    assert other.reasons == []


def test_one_that_has_begun_to_work_since_the_search_stays() -> None:
    gate, _ = gate_of(2)
    one, two = Connection(idle_s=1.0), Connection(idle_s=2.0)
    gate.admit(one, 10.0)
    gate.admit(two, 10.0)
    assert gate.admit(Connection(), 10.0) is None
    two.idle_s = None
    assert gate.admit(Connection(), 10.0) is not None
    assert two.reasons == []


def test_a_search_at_the_limit_is_made_ten_times_a_second_at_most() -> None:
    searched: list[float] = []

    class Busy(Connection):
        def idle_since_s(self, now_s: float) -> float | None:
            searched.append(now_s)
            return None

    gate, _ = gate_of(1)
    gate.admit(Busy(), 10.0)
    for number in range(1000):
        gate.admit(Connection(), 10.0 + number / 1000)
    assert len(searched) <= 10


def test_the_last_few_that_are_refused_may_read_why() -> None:
    gate, _ = gate_of(1)
    gate.admit(Connection(), 0.0)
    refused = [Connection() for _ in range(REFUSED_AT_ONCE + 1)]
    for one in refused:
        gate.admit(one, 0.0)
    assert [one.aborted for one in refused] == [True] + [False] * REFUSED_AT_ONCE
    gate.sweep(1.0)
    assert [one.looks for one in refused] == [0] + [1] * REFUSED_AT_ONCE
    for one in refused:
        gate.release(one)
    gate.sweep(2.0)
    assert [one.looks for one in refused] == [0] + [1] * REFUSED_AT_ONCE


def test_answers_that_nobody_reads_take_no_more_than_their_share_of_memory() -> None:
    gate = ConnectionGate(lambda: ConnectionLimits(9, 9), Closures(lambda reason: None), 100)
    small, large, largest = Connection(), Connection(), Connection()
    small.unread, large.unread, largest.unread = 1, 50, 100
    for one in (small, large, largest):
        gate.admit(one, 0.0)
    gate.sweep(1.0)
    assert (small.reasons, large.reasons, largest.reasons) == ([], [], ["unread_answer"])


def test_a_process_without_a_descriptor_says_so_and_closes_an_idle_connection(monkeypatch) -> None:
    gate, counted = gate_of(9)
    idle = Connection(idle_s=0.0)
    gate.admit(idle, 10.0)
    monkeypatch.setattr("takt.server.connections.gate.descriptor_is_free", lambda: False)
    gate.sweep(10.0)
    assert counted == ["no_descriptor"]
    assert idle.reasons == ["evicted"]


@pytest.mark.parametrize(
    ("address", "key"),
    [
        (None, "unknown"),
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_network_of_ipv6_counts_as_one_client(address: str | None, key: str) -> None:
    assert client_key(address) == key
