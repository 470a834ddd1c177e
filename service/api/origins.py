"""Which web pages may open a stream or activate a version: a browser lets any page ask anywhere."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers

from service.errors import ForbiddenError

ANY = "*"


class AllowedOrigins:
    """Pages of the server itself, and those that the settings name.

    A program sends no Origin and may connect, as it may POST. The name that a reverse proxy was
    asked for counts as the server's own: no page can make a browser send that header.

    Args:
        allowed: further origins such as `https://line3.example:8443`, with commas between; `*`
            for any.
    """

    def __init__(self, allowed: str) -> None:
        self._allowed = {part.strip().rstrip("/").lower() for part in allowed.split(",")}

    def check(self, headers: Headers) -> None:
        """See whether the page may connect.

        Raises:
            ForbiddenError: it may not.
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
    """With its port; empty where there is none, or where it is no origin at all."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
