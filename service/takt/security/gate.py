"""The check that stands before everything else: which host was asked for, and by whose page."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from takt.core.errors import MisdirectedRequestError, RequestError
from takt.security.hosts import AllowedHosts
from takt.security.origins import AllowedOrigins

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing and cost little; any page may use them, though it cannot read the
answer. A browser sends the others without asking first where a form could have sent them."""

_HOST, _FORWARDED_HOST = b"host", b"x-forwarded-host"
_ORIGIN, _SITE = b"origin", b"sec-fetch-site"
_READ = frozenset({_HOST, _FORWARDED_HOST, _ORIGIN, _SITE})

_MOST_KNOWN, _LONGEST_KNOWN = 256, 512
"""Most hosts of programs that are remembered as right, and bytes of the longest."""

_MOST_TOLD = 16
"""Most names that are logged; others may send as many as they like."""

logger = logging.getLogger("takt.security")


class Gate:
    """Refuses requests for foreign names, and changes that foreign pages ask for.

    One rule holds for every route, so that no route can forget it: `Host`, and `X-Forwarded-Host`
    where a proxy sends one, must be names of this server; a WebSocket, and a method that is not
    safe, must come from a program or from a page that may.

    >>> gate = Gate(AllowedHosts(""), AllowedOrigins(""))
    >>> headers = [(b"host", b"127.0.0.1:8000"), (b"origin", b"https://evil.example")]
    >>> gate.check({"type": "http", "method": "GET", "headers": headers})
    False
    >>> gate.check({"type": "http", "method": "PUT", "headers": headers})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    takt.core.errors.ForbiddenError: pages of https://evil.example may not ask this here; ...

    Args:
        hosts: names of this server.
        origins: web pages that may change something.
    """

    def __init__(self, hosts: AllowedHosts, origins: AllowedOrigins) -> None:
        self._hosts = hosts
        self._origins = origins
        self._known: set[tuple[tuple[bytes, bytes], ...]] = set()
        self._told: set[str] = set()

    def check(self, scope: Mapping[str, Any]) -> bool:
        """Check a request by its headers; tells whether another host's page may have the answer.

        Raises:
            RequestError: the host is missing, given twice or malformed.
            MisdirectedRequestError: it is for another server's name.
            ForbiddenError: it comes from a page that may not ask this.
        """
        read = tuple([header for header in scope["headers"] if header[0] in _READ])
        # A program sends the host alone, and mostly the same one.
        if read in self._known:
            return False
        hosts = self._own_hosts(scope, read)
        sites, origins = _values(read, _SITE), _values(read, _ORIGIN)
        if not (sites or origins):
            self._remember(read)
            return False
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return False
        site = sites[0] if sites else None
        return any([self._origins.check(origin, site, hosts) for origin in origins or (None,)])

    def _own_hosts(
        self, scope: Mapping[str, Any], read: Iterable[tuple[bytes, bytes]]
    ) -> frozenset[str]:
        """The hosts that a request was sent to, with their ports; all of them this server's."""
        hosts = _values(read, _HOST)
        if len(hosts) > 1 or (not hosts and scope.get("http_version") != "1.0"):
            raise RequestError(f"the request has {len(hosts)} headers Host; send one")
        forwarded = [
            part.strip()
            for value in _values(read, _FORWARDED_HOST)
            for part in value.split(",")
            if part.strip()
        ]
        try:
            for host in (*hosts, *forwarded):
                self._hosts.check(host)
        except MisdirectedRequestError as error:
            self._tell(error)
            raise
        return frozenset(host.lower() for host in (*hosts, *forwarded))

    def _remember(self, read: tuple[tuple[bytes, bytes], ...]) -> None:
        if 0 < sum(len(value) for _, value in read) < _LONGEST_KNOWN:
            if len(self._known) == _MOST_KNOWN:
                self._known.clear()
            self._known.add(read)

    def _tell(self, error: MisdirectedRequestError) -> None:
        """Log a name once: whoever runs the server may have forgotten to allow it."""
        text = str(error)
        if text not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(text)
            logger.warning("a request was refused: %s", text)


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for found, value in headers if found == name]
