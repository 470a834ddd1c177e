"""Where a web server may send those who ask it: to another place of its own, and nowhere else.

A store that somebody has taken over could otherwise have the server ask hosts that only it reaches.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

from takt.core.errors import UnavailableError

_SHOWN_CHARACTERS = 100
_PORTS = {"http": 80, "https": 443}


def stays_there(asked: str, there: str) -> bool:
    """Whether a redirect leads to the host and port that were asked, or from HTTP to its HTTPS.

    >>> stays_there("http://store/line", "https://store/line")
    True
    >>> stays_there("https://store/line", "https://169.254.169.254/")
    False

    Args:
        asked: URL that was asked.
        there: what the answer says, which may be part of a URL.
    """
    try:
        before, after = urlsplit(asked), urlsplit(urljoin(asked, there))
        ports = tuple(one.port or _PORTS.get(one.scheme) for one in (before, after))
    except ValueError:
        return False
    if before.hostname != after.hostname:
        return False
    schemes = before.scheme, after.scheme
    return (before.scheme == after.scheme and ports[0] == ports[1]) or (
        schemes == ("http", "https") and ports == (_PORTS["http"], _PORTS["https"])
    )


def only_within_host() -> Any:
    """What has aiohttp refuse other redirects; one of a session's `trace_configs`."""
    import aiohttp

    async def refuse(_: object, __: object, sent: aiohttp.TraceRequestRedirectParams) -> None:
        there = sent.response.headers.get("Location") or sent.response.headers.get("URI") or ""
        if stays_there(str(sent.url), there):
            return
        sent.response.close()
        raise UnavailableError(
            f"{sent.url.host} sends to {_shown(str(sent.url), there)}, another host or port, which "
            "is not asked: name the URL of the place itself, or have that server send nobody on"
        )

    traces = aiohttp.TraceConfig()
    traces.on_request_redirect.append(refuse)
    return traces


def _shown(asked: str, there: str) -> str:
    """Scheme, host and port of a redirect; the rest may be secret."""
    try:
        found = urlsplit(urljoin(asked, there))
        port = f":{found.port}" if found.port else ""
    except ValueError:
        return "what is no URL"
    return f"{found.scheme}://{found.hostname}{port}"[:_SHOWN_CHARACTERS]
