"""uvicorn, as Takt runs it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.app import Drain
from service.observing.metrics import Metrics
from service.repository.supervision.lost_threads import LostThreads
from service.server.connections.closures import Closures
from service.server.connections.descriptors import ConnectionLimits, limit_of_open_files, limits_of
from service.server.connections.gate import ConnectionGate
from service.server.connections.http_connection import HttpConnection
from service.server.connections.open_messages import OpenMessages
from service.server.connections.state import ConnectionState
from service.server.connections.websocket_connection import WebSocketConnection
from service.server.signals import ENDING, IGNORED, RELOADING, Handler, handled
from service.settings import Settings
from service.streaming.frames import HEADER_BYTES

GAVE_UP = 75
"""Exit code where engines hang beyond repair (EX_TEMPFAIL): the supervisor is to start it again."""

_SWITCH_S = 0.0005
"""Time after which a waiting thread asks the running one to let it run. An engine that has its
answer waits for the event loop, which seldom works for longer than this on one request."""
_SWEEP_EVERY_S = 1.0
"""Time between two looks at connections that may be late."""
_MEMORY_SHARE = 1 / 16
"""Memory for answers that were not read, and as much for messages that are not whole, in parts of
`max_memory_mb`."""

logger = logging.getLogger("takt.server")


class Server(uvicorn.Server):
    """Closes the streams in good order before uvicorn cuts every WebSocket.

    Args:
        config: configuration of uvicorn.
        drain: the time for closing, which begins once the process is told to end.
        close_streams: closes the streams within the seconds that it gets; it is given up when the
            process is told to end twice.
        loaded: returns once the models are loaded; what is in memory by then stays there.
        ended: called at the very end, before the signal that ended it takes its usual effect.
        state: shared by the connections; its gate ends those that are late.
        reload: called on SIGHUP, on the event loop.

    Attributes:
        must_end: once it is set, the server drains and ends as if it had been told to.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        drain: Drain,
        close_streams: Callable[[float], Coroutine[None, None, None]],
        loaded: Callable[[], Awaitable[object]],
        ended: Callable[[], None] = lambda: None,
        state: ConnectionState | None = None,
        reload: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self._gate = state.gate if state else None
        self._reload = reload
        self._sweeping: asyncio.Task[None] | None = None
        if state is not None:
            self.server_state = state
        self._ended = ended
        self._loaded = loaded
        self._drain = drain
        self._close_streams = close_streams
        self._hurry = asyncio.Event()
        self.must_end = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals while the server runs; they have their usual effect after its end."""
        loop = asyncio.get_running_loop()
        others: dict[tuple[signal.Signals, ...], Handler] = {
            # Its usual effect after the end would be a core dump.
            ENDING: lambda _, frame: self.handle_exit(signal.SIGTERM, frame),
            RELOADING: lambda *_: loop.call_soon_threadsafe(self._begin_reload),
            IGNORED: lambda taken, _: loop.call_soon_threadsafe(_log_ignored, taken),
        }
        with super().capture_signals():
            try:
                with handled(others):
                    yield
            finally:
                self._ended()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and begin to look at the connections."""
        await super().startup(sockets)
        if self._gate is not None:
            self._sweeping = asyncio.create_task(self._sweep(self._gate))

    async def main_loop(self) -> None:
        """Serve; what was loaded is taken out of the search for garbage.

        A full search takes tens of milliseconds, during which nobody is answered.
        """
        tasks = {asyncio.create_task(self._settle()), asyncio.create_task(self._end_when_told())}
        try:
            await super().main_loop()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            gc.unfreeze()

    def _begin_reload(self) -> None:
        logger.info(
            "SIGHUP: the model repository is looked at for versions, activations and thresholds; "
            "settings need a restart"
        )
        self._reload()

    async def _sweep(self, gate: ConnectionGate) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            try:
                gate.sweep(loop.time())
            except Exception:
                logger.exception("the connections could not be looked at")

    async def _end_when_told(self) -> None:
        await self.must_end.wait()
        self.should_exit = True

    async def _settle(self) -> None:
        await self._loaded()
        gc.collect()
        gc.freeze()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note a signal, from within its handler."""
        again = self.should_exit
        super().handle_exit(sig, frame)
        # uvicorn hurries for a second SIGINT alone, and supervisors send SIGTERM.
        self.force_exit = self.force_exit or again
        if self.force_exit and self._loop is not None:
            self._loop.call_soon_threadsafe(self._hurry.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, let the streams answer what they accepted, then close."""
        self._loop = asyncio.get_running_loop()
        if self.force_exit:
            self._hurry.set()
        for server in self.servers:
            server.close()
        closing = asyncio.create_task(self._close_streams(self._drain.left_s()))
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({closing, hurry}, return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        hurry.cancel()
        await asyncio.gather(closing, hurry, return_exceptions=True)
        # uvicorn takes any number of seconds, though it declares whole ones.
        self.config.timeout_graceful_shutdown = self._drain.left_s()  # type: ignore[assignment]
        try:
            await super().shutdown(sockets)
        finally:
            if self._sweeping is not None:
                self._sweeping.cancel()


def _log_ignored(taken: int) -> None:
    logger.info("%s changes nothing here", signal.Signals(taken).name)


def run(app: FastAPI, settings: Settings, ended: Callable[[], None] = lambda: None) -> None:
    """Serve until the process is told to end.

    Args:
        app: the application.
        settings: settings of the server.
        ended: called at the very end, as `Server` says.

    Where too many threads hang in engines, the process drains and ends with `GAVE_UP`.

    Raises:
        SystemExit: the server cannot start; the log says why.
    """
    metrics: Metrics = app.state.metrics

    def limits() -> ConnectionLimits:
        return limits_of(
            settings.max_connections, settings.max_connections_per_client, limit_of_open_files()
        )

    # Beside the budget of pictures in flight, but of its size; one message must fit.
    share_bytes = max(_MEMORY_SHARE * settings.max_memory_bytes, settings.max_image_bytes)
    gate = ConnectionGate(limits, Closures(metrics.connections.closed), share_bytes)
    metrics.connections.watch(lambda: len(gate), lambda: limits().in_all)
    if (allowed := limits().in_all) < settings.max_connections:
        logger.info(
            "max_connections is %d, but the limit of open files leaves %d; raise it (ulimit -n)",
            settings.max_connections,
            allowed,
        )
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        # Longer than a line's cycle and than load balancers wait, so that no POST meets a close.
        timeout_keep_alive=75,
        server_header=False,
        http=HttpConnection,
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
    server = Server(
        config,
        app.state.drain,
        app.state.sessions.close,
        app.state.repository.loaded.wait,
        ended,
        ConnectionState(gate, OpenMessages(share_bytes)),
        app.state.folder_watch.ask,
    )
    lost: LostThreads = app.state.lost_threads
    server.must_end = lost.too_many
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.run()
    finally:
        sys.setswitchinterval(interval_s)
    if len(lost) or server.must_end.is_set():
        # Threads that hang in a runtime would keep the interpreter from its end, or crash it.
        os._exit(GAVE_UP if server.must_end.is_set() else 0)
