"""The port of gRPC: its sockets, its certificate, and its good end."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Sequence
from typing import Any

import grpc

from takt.api.rpc.backend import RpcBackend
from takt.api.rpc.procedures import Procedures
from takt.server.connections.descriptors import limit_of_open_files, limits_of
from takt.server.tls import ServerTls, TlsFiles
from takt.settings import Settings

_IDENTITY_ONLY = 1
"""Algorithms of compression by their bits: messages come as they are, as bodies of HTTP do. What
is compressed is weighed only when it was unpacked."""

_IDLE_MS = 75_000
"""Time after which a connection without calls is closed, as with HTTP; a client opens another by
itself."""
_HANDSHAKE_MS = 10_000
_WATCH_EVERY_S = 0.25
"""Longest time that a server which has ended by itself goes unnoticed."""
_PING_EVERY_MS, _PING_WITHIN_MS = 60_000, 20_000
"""Of a connection with calls whose other end may be gone."""

logger = logging.getLogger("takt.server")


def _is_not_of_bytes(record: logging.LogRecord) -> bool:
    """Whether a line does not tell of bytes that gRPC could not decode: anybody may send such."""
    errors = [record.msg, record.exc_info[1] if record.exc_info else None]
    return not any(
        isinstance(error, UnicodeDecodeError) and _raised_in_grpc(error) for error in errors
    )


def _raised_in_grpc(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and "_cygrpc" in frames[-1].filename


class RpcServer:
    """Answers calls by gRPC, on the event loop that starts it.

    Args:
        backend: what answers.
        settings: of the server.
        addresses: to listen on, which somebody keeps for this server.
        tls: the certificate to show; None for a plain server.
    """

    def __init__(
        self,
        backend: RpcBackend,
        settings: Settings,
        addresses: Sequence[str],
        tls: ServerTls | None = None,
    ) -> None:
        self._backend = backend
        self._settings = settings
        self._addresses = addresses
        self._tls = tls
        self._server: Any = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and answer from now on."""
        for name in ("grpc._cython.cygrpc", "asyncio"):
            logging.getLogger(name).addFilter(_is_not_of_bytes)
        await self._open()
        scheme = "grpc" if self._tls is None else "grpcs"
        logger.info("the Open Inference Protocol is on %s://%s", scheme, self._addresses[0])
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        """Put another server in the place of one that has ended by itself.

        One call whose path is not UTF-8 ends that of gRPC, with all calls that are under way.
        """
        while True:
            try:
                await self._server.wait_for_termination(_WATCH_EVERY_S)
            except Exception as error:
                logger.error("gRPC has failed, and begins anew: %s", error)
                await self._server.stop(None)
                await self._open()

    async def _open(self) -> None:
        settings, open_files = self._settings, limit_of_open_files()
        # It cannot ask an idle connection to make room, as HTTP does: half is for HTTP alone.
        half = None if open_files is None else open_files // 2
        connections = limits_of(settings.max_connections, 0, half).in_all
        self._server = grpc.aio.server(
            options=[
                # Several processes listen on one port.
                ("grpc.so_reuseport", 1),
                # Of each address.
                (
                    "grpc.max_allowed_incoming_connections",
                    max(1, connections // len(self._addresses) // settings.workers),
                ),
                ("grpc.max_receive_message_length", _most_bytes(settings.max_image_bytes)),
                ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_ONLY),
                ("grpc.max_connection_idle_ms", _IDLE_MS),
                ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
                ("grpc.keepalive_time_ms", _PING_EVERY_MS),
                ("grpc.keepalive_timeout_ms", _PING_WITHIN_MS),
            ],
            maximum_concurrent_rpcs=settings.max_connections,
        )
        self._server.add_generic_rpc_handlers(
            (Procedures(self._backend, settings.max_image_bytes),)
        )
        for address in self._addresses:
            if self._tls is None:
                self._server.add_insecure_port(address)
            else:
                self._server.add_secure_port(address, _credentials(self._tls))
        await self._server.start()

    async def stop(self, within_s: float) -> None:
        """Take no more calls, and end once those that were accepted are answered.

        Args:
            within_s: longest time for that; calls that take longer are cancelled.
        """
        if self._watching is not None:
            self._watching.cancel()
        try:
            await self._server.stop(within_s)
        finally:
            # Ends at once if it was given up above, and does nothing otherwise.
            await self._server.stop(None)


def _most_bytes(max_image_bytes: int) -> int:
    """Largest message that gRPC takes at all; whoever sends one little too large hears it of us."""
    return min(max_image_bytes + max_image_bytes // 4, 2**31 - 1)


def _credentials(tls: ServerTls) -> Any:
    """What gRPC shows, asked for anew before each handshake."""
    given = tls.shown

    def changed() -> Any:
        nonlocal given
        if tls.shown is given:
            return None
        given = tls.shown
        return _configuration(given)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(given), changed, require_client_authentication=given.client_ca is not None
    )


def _configuration(files: TlsFiles) -> Any:
    return grpc.ssl_server_certificate_configuration(
        [(files.key, files.certificate)], root_certificates=files.client_ca
    )
