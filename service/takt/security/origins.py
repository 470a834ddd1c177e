"""Web pages that may change something: a browser lets any page send requests to any host."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from takt.core.errors import ConfigurationError, ForbiddenError

ANY = "*"

_ENTRY = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[^\s/?#@:*\[\]]+)(?::\d{1,5})?|null")
"""What a browser may send as `Origin`, in lower case."""

_OWN_PAGE = frozenset({None, "same-origin", "none"})
"""`Sec-Fetch-Site` of programs and older browsers, of this server's pages, of the address bar."""


class AllowedOrigins:
    """Web pages of this server's own host, and those of the setting `allowed_origins`.

    A program sends neither `Origin` nor `Sec-Fetch-Site`, and may.

    >>> origins = AllowedOrigins("https://line3.example:8443")
    >>> origins.check("https://line3.example:8443", "cross-site", own={"takt:8000"})
    True
    >>> origins.check("https://other.example", None, own={"takt:8000"})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    takt.core.errors.ForbiddenError: pages of https://other.example may not ask this here; ...

    Args:
        allowed: origins such as `https://line3.example:8443`, with commas between; `*` for any.

    Raises:
        ConfigurationError: an entry is no origin, so that no page could ever be meant.
    """

    def __init__(self, allowed: str) -> None:
        self._allowed = {_as_sent(part) for part in allowed.split(",")} - {""}
        for entry in self._allowed - {ANY}:
            if _ENTRY.fullmatch(entry) is None:
                raise ConfigurationError(
                    f"setting allowed_origins has {entry!r}, which is no origin of a page; write "
                    "origins such as https://line3.example or http://line3.example:8080, with "
                    "scheme, without path, each by its whole name, or * for any"
                )

    def check(self, origin: str | None, site: str | None, own: Collection[str]) -> bool:
        """Check the page that a request comes from; tells whether it is another host's.

        Args:
            origin: value of the header `Origin`; None without one.
            site: value of the header `Sec-Fetch-Site`; None without one.
            own: hosts that the request was sent to, with their ports, in lower case.

        Raises:
            ForbiddenError: the page may not ask this.
        """
        if site in _OWN_PAGE and (origin is None or _host_of(origin.lower()) in own):
            return False
        if ANY in self._allowed or (origin is not None and origin.lower() in self._allowed):
            return True
        page = "of other hosts" if origin is None else f"of {origin}"
        raise ForbiddenError(
            f"pages {page} may not ask this here; name it in the setting allowed_origins if they "
            "should"
        )


def _as_sent(entry: str) -> str:
    """An entry as a browser writes that origin: in lower case, without the scheme's own port."""
    origin = entry.strip().rstrip("/").lower()
    scheme, _, _ = origin.partition("://")
    return origin.removesuffix({"https": ":443", "http": ":80"}.get(scheme, "/"))


def _host_of(origin: str) -> str | None:
    """Host of an origin, with its port; None where the origin has none or is malformed."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
