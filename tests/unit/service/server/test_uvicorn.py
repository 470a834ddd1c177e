"""What of uvicorn is built upon from within is what was looked at."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

VERSION = importlib.metadata.version("uvicorn")

LOOKED_AT = {
    HttpToolsProtocol: "a09bf31da2d5a4bb",
    RequestResponseCycle: "e99a75b8d574d30e",
    WebSocketsSansIOProtocol: "3ee21d10d4519499",
    ServerState: "e20e7531686f9e22",
    uvicorn.Server: "8f4d992e8f986d69",
}
"""Digests of the classes that ours extend or reach into."""


def digest(kind: type) -> str:
    words = " ".join(inspect.getsource(kind).split())
    return hashlib.sha256(words.encode()).hexdigest()[:16]


@pytest.mark.parametrize("kind", LOOKED_AT, ids=lambda kind: kind.__name__)
def test_a_class_of_uvicorn_that_ours_extend_is_the_one_that_was_looked_at(kind: type) -> None:
    assert digest(kind) == LOOKED_AT[kind], (
        f"uvicorn {VERSION} has changed {kind.__module__}.{kind.__name__}: compare it with the "
        "version before, adapt takt/server, run tests/unit/service/server and tests/e2e, then "
        "renew the digest here, and the bound in pyproject.toml"
    )
