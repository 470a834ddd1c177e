"""JSON documents of an issuer, fetched with bounds on time, size and where they come from."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from service.core.errors import ConfigurationError
from service.security.exposure import is_loopback

FETCH_WITHIN_S = 5.0
"""Longest time for one document, however slowly it drips."""

_MOST_BYTES = 256 * 1024
_PART_BYTES = 16 * 1024


class FetchError(Exception):
    """A document cannot be had; the text says why."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A document is where it was said to be, or nowhere."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow none."""


def check_url(url: str, what: str) -> None:
    """Refuse an address whose answers anybody on the way could change.

    >>> check_url("https://login.plant.example/realms/line", "oidc_issuer")
    >>> check_url("http://login.plant.example", "oidc_issuer")
    Traceback (most recent call last):
    service.core.errors.ConfigurationError: oidc_issuer is http://login.plant.example; it must be https://

    Raises:
        ConfigurationError: it is neither https nor of this machine.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise ConfigurationError(f"{what} is {url!r}, which is no URL") from None
    if parts.scheme == "https" and host:
        return
    if parts.scheme != "http" or not is_loopback(host):
        raise ConfigurationError(f"{what} is {url}; it must be https://")


def fetch_json(url: str) -> dict[str, Any]:
    """Fetch an object; it takes a thread, for `FETCH_WITHIN_S` at most.

    Raises:
        FetchError: it cannot be had, or is none.
    """
    ends_s = time.monotonic() + FETCH_WITHIN_S
    opener = urllib.request.build_opener(_NoRedirects)
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    body = b""
    try:
        with opener.open(request, timeout=FETCH_WITHIN_S) as answer:
            while part := answer.read1(_PART_BYTES):
                body += part
                if len(body) > _MOST_BYTES:
                    raise FetchError(f"{url} has more than {_MOST_BYTES} bytes")
                if time.monotonic() > ends_s:
                    raise FetchError(f"{url} did not come within {FETCH_WITHIN_S:.0f} s")
    except urllib.error.HTTPError as error:
        error.close()
        raise FetchError(f"{url} answers {error.code}") from None
    except (OSError, http.client.HTTPException) as error:
        raise FetchError(f"{url} cannot be had: {error}") from None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise FetchError(f"{url} is no JSON") from None
    if not isinstance(found, dict):
        raise FetchError(f"{url} is no JSON object")
    return found
