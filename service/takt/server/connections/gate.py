"""How many connections may be open, in all and for each client, and who makes room."""

from __future__ import annotations

import ipaddress
import math
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Protocol

from takt.core.domain import CloseReason
from takt.core.errors import TooManyConnectionsError
from takt.peers import HostCounts, OwnCounts
from takt.server.connections.closures import Closures
from takt.server.connections.descriptors import ConnectionLimits, descriptor_is_free

REFUSED_AT_ONCE = 32
"""Refused connections that may still read why; one more cuts the oldest."""
_CONNECTIONS = "connections"
_SEARCH_EVERY_S = 0.1
"""Shortest time between two searches for connections that can make room."""


class GuardedConnection(Protocol):
    """One connection, as the gate sees it; each kind of them is one.

    Attributes:
        client_key: what counts as its client, as `client_key` says.
    """

    client_key: str = "unknown"
    _gate: ConnectionGate

    def look(self, now_s: float) -> int:
        """End it if it is late; gives the bytes that its client has not read."""

    def idle_since_s(self, now_s: float) -> float | None:
        """When it began to wait for a request; None while it works, and when it must stay."""

    def cut(self, reason: CloseReason) -> None:
        """Close it at once, and count that."""
        self._gate.closures.note(reason, self.client_key)
        self.abort()

    def abort(self) -> None:
        """Close it at once."""


class ConnectionGate:
    """Admits connections, and has those make room that wait for nothing.

    >>> from takt.server.connections.descriptors import ConnectionLimits
    >>> limits = ConnectionLimits(in_all=2, per_client=1)
    >>> gate = ConnectionGate(lambda: limits, Closures(lambda reason: None))
    >>> len(gate)
    0

    Args:
        limits: read for each connection.
        closures: counts those that are ended.
        max_unread_bytes: of answers that wait for clients to read them, over all connections.
        counts: what the limits are held against; those of the whole server.
    """

    def __init__(
        self,
        limits: Callable[[], ConnectionLimits],
        closures: Closures,
        max_unread_bytes: float = math.inf,
        counts: HostCounts | None = None,
    ) -> None:
        self.closures = closures
        self._limits = limits
        self._max_unread_bytes = max_unread_bytes
        self._open: dict[GuardedConnection, None] = {}
        self._refused: dict[GuardedConnection, None] = {}
        self._counts = OwnCounts() if counts is None else counts
        # Those that can make room, the longest idle first; of each client, and of all by None.
        self._idle: defaultdict[str | None, deque[GuardedConnection]] = defaultdict(deque)
        self._searched_s = float("-inf")

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def admit(self, connection: GuardedConnection, now_s: float) -> TooManyConnectionsError | None:
        """Count a new connection, or give the error to refuse it with."""
        limits = self._limits()
        client = connection.client_key
        reason: CloseReason
        of_client = self._counts.total(_of_client(client))
        if of_client >= limits.per_client and not self._evict(now_s, client):
            reason, most = "too_many_of_client", limits.per_client
        elif self._counts.total(_CONNECTIONS) >= limits.in_all and not self._evict(now_s):
            reason, most = "too_many", limits.in_all
        else:
            self.adopt(connection)
            return None
        self.closures.note(reason, client)
        self._refused[connection] = None
        if len(self._refused) > REFUSED_AT_ONCE:
            oldest = next(iter(self._refused))
            del self._refused[oldest]
            oldest.abort()
        setting = "max_connections" + ("_per_client" if reason == "too_many_of_client" else "")
        return TooManyConnectionsError(
            f"{most} connections are open; close idle ones, reuse one for many requests, or raise "
            f"{setting}"
        )

    def adopt(self, connection: GuardedConnection) -> None:
        """Count a connection that takes the place of another one, which was released."""
        self._open[connection] = None
        self._counts.add(_CONNECTIONS, 1)
        self._counts.add(_of_client(connection.client_key), 1)

    def release(self, connection: GuardedConnection) -> None:
        """Forget a connection that was lost, or that another one takes the place of."""
        self._refused.pop(connection, None)
        if connection not in self._open:
            return
        del self._open[connection]
        self._counts.add(_CONNECTIONS, -1)
        self._counts.add(_of_client(connection.client_key), -1)

    def sweep(self, now_s: float) -> None:
        """End connections that are late or unread; call it about once a second."""
        unread = {}
        for connection in [*self._open, *self._refused]:
            if left := connection.look(now_s):
                unread[connection] = left
        excess = sum(unread.values()) - self._max_unread_bytes
        for connection, left in sorted(unread.items(), key=lambda item: -item[1]):
            if excess <= 0:
                break
            connection.cut("unread_answer")
            excess -= left
        if not descriptor_is_free():
            self.closures.note("no_descriptor", "this process")
            self._evict(now_s)
        self.closures.report(now_s)

    def _evict(self, now_s: float, client: str | None = None) -> bool:
        """Cut the connection that has been idle the longest; False if none has been for long."""
        for search in (False, True):
            if search:
                if now_s < self._searched_s + _SEARCH_EVERY_S:
                    return False
                self._search(now_s)
            idle = self._idle[client]
            while idle:
                found = idle.popleft()
                if found in self._open and found.idle_since_s(now_s) is not None:
                    self.release(found)
                    found.cut("evicted")
                    return True
        return False

    def _search(self, now_s: float) -> None:
        self._searched_s = now_s
        idle = [
            (since_s, number, connection)
            for number, connection in enumerate(self._open)
            if (since_s := connection.idle_since_s(now_s)) is not None
        ]
        self._idle.clear()
        for _, _, connection in sorted(idle):
            self._idle[None].append(connection)
            self._idle[connection.client_key].append(connection)


def _of_client(client: str) -> str:
    return f"client {client}"


def client_key(address: str | None) -> str:
    """What counts as one client: an IPv4 address, or a network of IPv6.

    >>> client_key("::ffff:10.0.0.7"), client_key("2001:db8::1:2:3:4")
    ('10.0.0.7', '2001:db8::/64')
    """
    if address is None or ":" not in address:
        return address or "unknown"
    found = ipaddress.IPv6Address(address.partition("%")[0])
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
