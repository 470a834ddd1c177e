"""Web pages that may open a stream or activate a version: a browser lets any page ask any host."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers

from service.errors import ForbiddenError

ANY = "*"


class AllowedOrigins:
    """Web pages of this server's own host, and those of the setting `allowed_origins`.

    A program sends no `Origin` and may connect. `X-Forwarded-Host`, the host that a reverse proxy
    was asked for, counts as the server's own: no page can make a browser send that header.

    >>> origins = AllowedOrigins("https://line3.example:8443")
    >>> origins.check(Headers({"origin": "https://line3.example:8443", "host": "takt"}))
    >>> other = Headers({"origin": "https://other.example", "host": "takt"})
    >>> origins.check(other)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    service.errors.ForbiddenError: pages of https://other.example may not ask this here; ...

    Args:
        allowed: origins such as `https://line3.example:8443`, with commas between; `*` for any.
    """

    def __init__(self, allowed: str) -> None:
        self._allowed = {part.strip().rstrip("/").lower() for part in allowed.split(",")}

    def check(self, headers: Headers) -> None:
        """Check the page that a request comes from.

        Raises:
            ForbiddenError: the page may not connect.
        """
        origin = headers.get("origin")
        if origin is None or ANY in self._allowed or origin.lower() in self._allowed:
            return
        own = {headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower()}
        host = _host_of(origin.lower())
        if not host or host not in own:
            raise ForbiddenError(
                f"pages of {origin} may not ask this here; name it in the setting allowed_origins "
                "if they should"
            )


def _host_of(origin: str) -> str:
    """Host of an origin, with its port; empty where the origin has none or is malformed."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
