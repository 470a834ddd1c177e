"""uvicorn, as Takt runs it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

import uvicorn

from takt.parts.composing.drain import Drain
from takt.server.connections.http_connection import HttpConnection
from takt.server.connections.state import ConnectionState
from takt.server.connections.tls_connection import TlsConnection
from takt.server.listening import url_of
from takt.server.tls import ServerTls

if TYPE_CHECKING:
    # It needs gRPC, which is an extra.
    from takt.server.rpc_server import RpcServer

_SWEEP_EVERY_S = 1.0
"""Time between two looks at connections that may be late."""

logger = logging.getLogger("takt.server")


Connection = HttpConnection | TlsConnection
Accept = Callable[[], Connection]
"""Makes the protocol of a new connection."""


@dataclass(frozen=True)
class Scraped:
    """What is served beside the application: what answers, and the sockets where."""

    config: uvicorn.Config
    sockets: tuple[socket.socket, ...]


class Serving(Protocol):
    """What a server does beside accepting connections of its own: it is one of several workers."""

    async def open(self, server: Server) -> None:
        """Called before the application starts."""

    # The ports are main, metrics, and relayed: by another process, which has decrypted it.
    async def begin(self, accepts: Mapping[str, Accept]) -> None:
        """Called once it has: connections may come, and are made by these, by their ports."""

    async def pause(self) -> None:
        """Called when the server begins to end: no more connections come once it returns."""

    async def end(self) -> None:
        """Called once everything is closed."""


class Server(uvicorn.Server):
    """Closes the streams in good order before uvicorn cuts every WebSocket.

    Args:
        config: configuration of uvicorn.
        state: shared by the connections; its gate ends those that are late.
        drain: the time for closing, which begins once the process is told to end.
        close_streams: closes the streams within the seconds that it gets; it is given up when the
            process is told to end twice.
        loaded: returns once the models are loaded; what is in memory by then stays there.
        ended: called at the very end, before the signal that ended it takes its usual effect.
        reload: called on SIGHUP, on the event loop; an attribute as well.
        tls: its files are followed while the server runs; None for none.
        scraped: what else it serves, on a port of its own; None for nothing.
        beside: the server of gRPC, which starts and ends with it; None for none.
        serving: where connections come from, beside sockets that listen; None for nowhere.

    Attributes:
        must_end: once it is set, the server drains and ends as if it had been told to.
    """

    server_state: ConnectionState

    def __init__(
        self,
        config: uvicorn.Config,
        state: ConnectionState,
        drain: Drain,
        close_streams: Callable[[float], Coroutine[None, None, None]],
        loaded: Callable[[], Awaitable[object]],
        ended: Callable[[], None] = lambda: None,
        reload: Callable[[], None] = lambda: None,
        tls: ServerTls | None = None,
        scraped: Scraped | None = None,
        beside: RpcServer | None = None,
        serving: Serving | None = None,
    ) -> None:
        super().__init__(config)
        self.server_state = state
        self._tls = tls
        self._scraped = scraped
        self._beside = beside
        self._serving = serving
        self.reload = reload
        self._sweeping: asyncio.Task[None] | None = None
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

        def ignore(taken: int, _: FrameType | None) -> None:
            name = signal.Signals(taken).name
            loop.call_soon_threadsafe(logger.info, "%s changes nothing here", name)

        others: dict[signal.Signals, Callable[[int, FrameType | None], object]] = {
            # Its usual effect after the end would be a core dump.
            signal.SIGQUIT: lambda _, frame: self.handle_exit(signal.SIGTERM, frame),
            signal.SIGHUP: lambda *_: loop.call_soon_threadsafe(self._begin_reload),
            signal.SIGUSR1: ignore,
            signal.SIGUSR2: ignore,
        }
        # Python leaves signals to the main thread.
        taken = others if threading.current_thread() is threading.main_thread() else {}
        with super().capture_signals():
            former = {one: signal.signal(one, handler) for one, handler in taken.items()}
            try:
                yield
            finally:
                for one, before in former.items():
                    signal.signal(one, before)
                self._ended()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and begin to look at them."""
        if self._serving is not None:
            await self._serving.open(self)
        await super().startup(sockets)
        if sockets:
            # uvicorn takes it that whoever has opened them has told.
            self._log_started_message(sockets)
        accepts: dict[str, Accept] = {}
        if self._scraped is not None:
            self._scraped.config.load()
            accepts["metrics"] = partial(self._make_connection, self._scraped.config)
            for one in self._scraped.sockets:
                accepting = await asyncio.get_running_loop().create_server(
                    accepts["metrics"], sock=one
                )
                self.servers.append(accepting)
                logger.info("metrics are on %s", url_of("http", one))
        if self._beside is not None:
            await self._beside.start()
        self._sweeping = asyncio.create_task(self._sweep())
        if self._serving is not None:
            make: Any = self.config.http_protocol_class
            accepts["main"] = partial(self._make_connection, self.config, make)
            accepts["relayed"] = partial(self._make_connection, self.config)
            await self._serving.begin(accepts)

    def _make_connection(
        self, config: uvicorn.Config, make: Callable[..., Connection] = HttpConnection
    ) -> Connection:
        return make(config, self.server_state, self.lifespan.state)

    async def main_loop(self) -> None:
        """Serve; what was loaded is taken out of the search for garbage.

        A full search takes tens of milliseconds, during which nobody is answered.
        """
        jobs = [self._settle, self._end_when_told]
        if self._tls is not None:
            jobs.append(self._tls.files.run)
        tasks = {asyncio.create_task(job()) for job in jobs}
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
        self.reload()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            try:
                self.server_state.gate.sweep(loop.time())
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

    def end(self, *, hurry: bool) -> None:
        """Drain and end, as if a signal had come; in a hurry, give up what is left."""
        self.should_exit = True
        if hurry:
            self.force_exit = True
            self._hurry.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, let the streams answer what they accepted, then close."""
        self._loop = asyncio.get_running_loop()
        if self.force_exit:
            self._hurry.set()
        for server in self.servers:
            server.close()
        if self._serving is not None:
            await self._serving.pause()
        for handshake in list(self.server_state.handshakes):
            handshake.abort()
        closing = asyncio.create_task(self._close(self._drain.left_s()))
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
            if self._serving is not None:
                await self._serving.end()

    async def _close(self, within_s: float) -> None:
        """End what lasts, and what is on other ports."""
        jobs = [self._close_streams(within_s)]
        if self._beside is not None:
            jobs.append(self._beside.stop(within_s))
        await asyncio.gather(*jobs)

    def _log_started_message(self, listeners: Sequence[socket.SocketType]) -> None:
        """Tell where the server listens; uvicorn knows nothing of our TLS."""
        if self._tls is None:
            super()._log_started_message(listeners)
            return
        logger.info("Uvicorn running on %s (Press CTRL+C to quit)", url_of("https", listeners[0]))
