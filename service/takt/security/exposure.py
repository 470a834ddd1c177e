"""Where a server may listen that knows no callers."""

from __future__ import annotations

import ipaddress

from takt.core.errors import ConfigurationError


def check_exposure(host: str, *, knows_callers: bool, insecure: bool) -> None:
    """Refuse to listen for other machines where anyone may do everything.

    >>> check_exposure("127.0.0.1", knows_callers=False, insecure=False)
    >>> check_exposure("0.0.0.0", knows_callers=False, insecure=False)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    takt.core.errors.ConfigurationError: host is 0.0.0.0, and without keys whoever ...

    Args:
        host: the address to listen on.
        knows_callers: whether callers are told apart, by keys or otherwise.
        insecure: whether anyone may do everything, by the will of who runs the server.

    Raises:
        ConfigurationError: the server would be open to other machines.
    """
    if knows_callers or insecure or is_loopback(host):
        return
    raise ConfigurationError(
        f"host is {host}, and without keys whoever reaches it may do everything; make a key by "
        "`takt keys add NAME --scope inspect --file keys.toml` and serve with --keys-file "
        "keys.toml, or say --insecure"
    )


def is_loopback(host: str) -> bool:
    """Whether a host, by its name or address, is this machine and no other one can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
