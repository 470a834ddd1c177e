"""The names that this server answers to: any page can have a name of its own point here."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable

from takt.core.errors import ConfigurationError, MisdirectedRequestError, RequestError

ANY = "*"

_HOST = re.compile(r"(?:\[(?P<v6>[^\[\]]{2,64})\]|(?P<name>[\w.-]{1,253}))(?::\d{1,5})?", re.ASCII)
_ENTRY = re.compile(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)*\.?", re.ASCII)


class AllowedHosts:
    """IP addresses, `localhost`, the names of the server's own host and those of `allowed_hosts`.

    A page whose name is made to point to this server (DNS rebinding) is of the same origin in its
    browser's eyes, and only the name in the request tells it from the server's own pages. An IP
    address cannot be made to point elsewhere.

    >>> hosts = AllowedHosts("*.plant.example", own=("line3",))
    >>> hosts.check("192.168.0.7:8000"), hosts.check("line3"), hosts.check("takt.plant.example")
    (None, None, None)
    >>> hosts.check("evil.example")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    takt.core.errors.MisdirectedRequestError: this server does not answer to the name evil.e...

    Args:
        allowed: names such as `takt.plant.example` or `*.plant.example`, with commas between; `*`
            for any.
        own: names of the host that the server runs on.

    Raises:
        ConfigurationError: an entry is no name.
    """

    def __init__(self, allowed: str, own: Iterable[str] = ()) -> None:
        entries = [entry for part in allowed.split(",") if (entry := part.strip().lower())]
        self._any = ANY in entries
        self._names = {"localhost", *(name.lower().removesuffix(".") for name in own)}
        self._domains: tuple[str, ...] = ()
        for entry in entries:
            if entry == ANY:
                continue
            if _ENTRY.fullmatch(entry) is None and not _is_address(entry):
                raise ConfigurationError(
                    f"setting allowed_hosts has {entry!r}, which is no name; write names such as "
                    "takt.plant.example or *.plant.example, without scheme, port and path"
                )
            if entry.startswith("*."):
                self._domains += (entry[1:].removesuffix("."),)
            else:
                self._names.add(entry.removesuffix("."))

    def check(self, host: str) -> None:
        """Check the name that a request asks for.

        Args:
            host: value of the header `Host`, with or without a port.

        Raises:
            RequestError: it is malformed.
            MisdirectedRequestError: it is another server's.
        """
        found = _HOST.fullmatch(host)
        if found is None or (found["v6"] and not _is_address(found["v6"])):
            raise RequestError("the header Host is no name or address with a port; correct it")
        if self._any or found["v6"]:
            return
        name = found["name"].lower().removesuffix(".")
        if name in self._names or name.endswith(self._domains) or _is_address(name):
            return
        raise MisdirectedRequestError(
            f"this server does not answer to the name {name}; ask it by its address, or name it in "
            "the setting allowed_hosts"
        )


@functools.lru_cache(maxsize=256)
def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
