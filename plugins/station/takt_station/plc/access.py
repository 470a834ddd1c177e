"""Which masters may connect to a station, and which one may write."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Host = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class MasterAccess:
    """Who may connect.

    Attributes:
        networks: from which masters may connect; any may if there are none.
        most_connections: that are open at a time, and half as many of one host; further ones are
            closed at once. The last place is kept for the host that wrote last.
        silent_s: after which a connection without a whole request is closed.
    """

    networks: tuple[Network, ...] = ()
    most_connections: int = 8
    silent_s: float = 30.0

    def allows(self, host: Host) -> bool:
        """Whether a master of this address may connect."""
        return not self.networks or any(host in network for network in self.networks)


@dataclass(slots=True)
class Masters:
    """The masters that are connected; one host of them may write.

    The first that writes is it, with all its connections, until the last of these is closed: a
    controller that reads and writes over two connections is one, and so is one that connects anew
    while the network still holds its old connection.

    >>> here, there = ip_address("10.0.0.1"), ip_address("10.0.0.2")
    >>> masters = Masters()
    >>> masters.enter(here), masters.enter(there)
    (None, None)
    >>> masters.may_write(here), masters.may_write(there)
    (True, False)
    >>> masters.leave(here)
    >>> masters.may_write(there)
    True
    """

    _open: Counter[Host] = field(default_factory=Counter)
    _writer: Host | None = None
    _wrote_last: Host | None = None

    def __len__(self) -> int:
        """Open connections."""
        return self._open.total()

    def has_room(self, host: Host, most: int) -> bool:
        """Whether one more connection of a host finds a place among so many.

        Others' connections, which may be silent, must not keep a controller out.
        """
        if host == self._wrote_last:
            return len(self) < most
        return len(self) < most - 1 and self._open[host] < most // 2

    def enter(self, host: Host) -> None:
        """One of its connections opens."""
        self._open[host] += 1

    def leave(self, host: Host) -> None:
        """One of its connections closes."""
        self._open[host] -= 1
        if self._open[host] == 0:
            del self._open[host]
            if self._writer == host:
                self._writer = None

    def may_write(self, host: Host) -> bool:
        """Whether it may; from now on it alone, if it may."""
        if self._writer is None:
            self._writer = self._wrote_last = host
        return self._writer == host


def host_of(peer: str) -> Host:
    """The address of a peer, as IPv4 where it is one.

    >>> host_of("::ffff:10.0.0.1")
    IPv4Address('10.0.0.1')
    """
    found = ip_address(peer)
    return getattr(found, "ipv4_mapped", None) or found
