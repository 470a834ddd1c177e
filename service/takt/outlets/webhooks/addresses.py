"""Which addresses may be posted to: what a name resolves to is checked, then connected to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection
from functools import partial

from takt.outlets.blocking import beside
from takt.outlets.plugin import AwayError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host; raises an OSError where there are none."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that the internet has of version 6; what Python calls global has site-local ones as well."""

_NOT_PUBLIC = (
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv6Network("3fff::/20"),
)
"""Special ones that Python calls global: of protocols, of relays for 6to4, of documentation."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system knows them."""
    found = await beside(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def is_public(address: str) -> bool:
    """Whether an address is of the internet, and of no network, host or link of one's own.

    >>> [is_public(one) for one in ("1.1.1.1", "10.0.0.7", "127.0.0.1", "::ffff:10.0.0.7")]
    [True, False, False, False]
    """
    try:
        parsed = _innermost(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed not in _UNICAST:
        return False
    if any(parsed in network for network in _NOT_PUBLIC):
        return False
    return parsed.is_global and not parsed.is_multicast


def _innermost(address: Address) -> Address:
    """The address of version 4 to which one of version 6 leads, where it leads to one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


async def allowed_addresses(
    host: str, port: int, private_hosts: Collection[str], find: Resolve = resolve
) -> list[str]:
    """The addresses of a host that may be connected to, of which there is one at least.

    The name is asked for once, so that what was checked is what is connected to.

    Args:
        host: a name or an address, in lower case.
        port: its port.
        private_hosts: those that may have private addresses, in lower case.
        find: knows addresses.

    Raises:
        AwayError: it has none, or none that may be.
    """
    try:
        found = await find(host, port)
    except OSError as error:
        raise AwayError(f"{host} cannot be resolved: {error}") from None
    allowed = found if host in private_hosts else [one for one in found if is_public(one)]
    if not allowed:
        raise AwayError(
            f"{host} has the address {', '.join(found) or 'none'}, which is private; if it is "
            "meant, name the host in the setting webhooks_private_hosts"
        )
    return allowed
