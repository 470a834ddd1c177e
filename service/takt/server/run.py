"""Serves an application: what it needs of uvicorn, made of the settings."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from takt.parts.composing.assembly import foundation_of
from takt.parts.health import metrics_app_of
from takt.parts.oip import rpc_backend
from takt.server.connections.closures import Closures
from takt.server.connections.descriptors import ConnectionLimits, limit_of_open_files, limits_of
from takt.server.connections.gate import ConnectionGate
from takt.server.connections.http_connection import HttpConnection
from takt.server.connections.open_messages import OpenMessages
from takt.server.connections.state import ConnectionState
from takt.server.connections.tls_connection import TlsConnection
from takt.server.connections.websocket_connection import WebSocketConnection
from takt.server.listening import Listening
from takt.server.server import Scraped, Server, Serving
from takt.server.tls import ServerTls
from takt.settings import Settings
from takt.streaming.frames import HEADER_BYTES

GAVE_UP = 75
"""Exit code where engines hang beyond repair (EX_TEMPFAIL): the supervisor is to start it again."""

_SWITCH_S = 0.0005
"""Time after which a waiting thread asks the running one to let it run. An engine that has its
answer waits for the event loop, which seldom works for longer than this on one request."""
_MEMORY_SHARE = 1 / 16
"""Memory for answers that were not read, and as much for messages that are not whole, in parts of
`max_memory_mb`."""

_TRUSTED_PROXIES = "FORWARDED_ALLOW_IPS"
"""uvicorn's own variable, by which it trusts programs of this machine where nobody sets it."""

logger = logging.getLogger("takt.server")


def run(
    app: FastAPI,
    settings: Settings,
    listening: Listening,
    tls: ServerTls | None = None,
    ended: Callable[[], None] = lambda: None,
    serving: Serving | None = None,
) -> None:
    """Serve until the process is told to end.

    Args:
        app: the application.
        settings: settings of the server.
        listening: the sockets to accept connections of.
        tls: the certificate to show; None for a plain server.
        ended: called at the very end, as `Server` says.
        serving: hands over connections, where this is one worker of several.

    Where too many threads hang in engines, the process drains and ends with `GAVE_UP`.

    Raises:
        SystemExit: the application cannot start; the log says why.
    """
    foundation = foundation_of(app)
    metrics, models = foundation.metrics, foundation.models

    def limits() -> ConnectionLimits:
        files = limit_of_open_files()
        return limits_of(
            settings.max_connections,
            settings.max_connections_per_client,
            None if files is None else files * settings.workers,
        )

    # Beside the budget of pictures in flight, but of its size; one message must fit.
    share_bytes = max(_MEMORY_SHARE * settings.max_memory_bytes, settings.max_image_bytes)
    gate = ConnectionGate(
        limits, Closures(metrics.connections.closed), share_bytes, foundation.peers.counts
    )
    metrics.connections.watch(lambda: len(gate), lambda: limits().in_all)
    if (allowed := limits().in_all) < settings.max_connections:
        logger.info(
            "max_connections is %d, but the limit of open files leaves %d; raise it (ulimit -n)",
            settings.max_connections,
            allowed,
        )
    # Any callable makes connections, though a class is declared.
    http: Any = HttpConnection if tls is None else make_tls_connections(tls)
    scraped = None
    if listening.metrics or (serving is not None and settings.metrics_port is not None):
        scraped = Scraped(_config(metrics_app_of(foundation), settings), listening.metrics)
    beside = None
    if listening.rpc:
        # It needs gRPC, which is an extra.
        from takt.server.rpc_server import RpcServer

        beside = RpcServer(rpc_backend(foundation), settings, listening.rpc, tls)
    server = Server(
        _config(app, settings, http),
        ConnectionState(gate, OpenMessages(share_bytes)),
        foundation.drain,
        foundation.close_streams,
        models.repository.loaded.wait,
        ended,
        models.look,
        tls,
        scraped,
        beside,
        serving,
    )
    lost = models.context.lost
    server.must_end = lost.too_many
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.run([*listening.main])
    finally:
        sys.setswitchinterval(interval_s)
    if len(lost) or server.must_end.is_set():
        # Threads that hang in a runtime would keep the interpreter from its end, or crash it.
        os._exit(GAVE_UP if server.must_end.is_set() else 0)


def _config(app: ASGIApp, settings: Settings, http: Any = HttpConnection) -> uvicorn.Config:
    trusted = os.environ.get(_TRUSTED_PROXIES, "")
    return uvicorn.Config(
        app,
        # Whoever is believed here writes whom he likes into the audit log.
        proxy_headers=bool(trusted),
        forwarded_allow_ips=trusted,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        # Longer than a line's cycle and than load balancers wait, so that no POST meets a close.
        timeout_keep_alive=75,
        server_header=False,
        http=http,
        # uvicorn's own of this kind reads no further than the app does, so that TCP makes a
        # camera wait.
        ws=WebSocketConnection,
        # Pictures are compressed already.
        ws_per_message_deflate=False,
        ws_max_size=settings.max_image_bytes + HEADER_BYTES,
        # A pong waits behind the frames that were not read yet, so it has time.
        ws_ping_interval=20.0,
        ws_ping_timeout=60.0,
    )


def make_tls_connections(tls: ServerTls) -> Callable[..., TlsConnection]:
    """Makes connections, as uvicorn calls for them."""

    def make(
        config: uvicorn.Config,
        server_state: ConnectionState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> TlsConnection:
        inside = HttpConnection(config, server_state, app_state, _loop)
        return TlsConnection(tls.context, inside, server_state)

    return make
