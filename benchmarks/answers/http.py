"""The HTTP client of both request protocols."""

from __future__ import annotations

import httpx

TIMEOUT_S = 300


def client(url: str) -> httpx.AsyncClient:
    """Open a client of a server on this host, past any proxy.

    It speaks no TLS; reading the certificates of the host would take longer than many a request.
    """
    return httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, trust_env=False, verify=False)
