from __future__ import annotations

import asyncio
import signal
import socket
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.lifespan.off import LifespanOff

from takt.observing.instruments.metrics import Metrics
from takt.parts.composing.assembly import foundation_of
from takt.parts.composing.drain import Drain
from takt.peers import Alone
from takt.repository.supervision.lost_threads import LostThreads
from takt.server.connections.closures import Closures
from takt.server.connections.descriptors import ConnectionLimits
from takt.server.connections.gate import ConnectionGate
from takt.server.connections.open_messages import OpenMessages
from takt.server.connections.state import ConnectionState
from takt.server.listening import Listening
from takt.server.run import run
from takt.server.server import Server
from takt.settings import Settings


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def at_once(timeout_s: float = 0.0) -> None:
    """Neither streams to close nor models to load."""


def server_of(
    close_streams=at_once, drain: Drain | None = None, loaded=at_once, beside: Any = None
) -> Server:
    """A server that has started, without an app and without sockets."""
    config = uvicorn.Config(None, log_config=None)  # type: ignore[arg-type]
    gate = ConnectionGate(lambda: ConnectionLimits(9, 9), Closures(lambda reason: None))
    state = ConnectionState(gate, OpenMessages(1e6))
    server = Server(config, state, drain or Drain(30.0), close_streams, loaded, beside=beside)
    server.servers = []
    server.lifespan = LifespanOff(config)
    return server


def test_the_streams_are_closed_before_the_connections_are_cut() -> None:
    order: list[str] = []

    class Connection:
        def shutdown(self) -> None:
            order.append("cut")
            server.server_state.connections.clear()

    async def close_streams(timeout_s: float) -> None:
        await asyncio.sleep(0)
        order.append("closed")

    async def stop() -> None:
        server.server_state.connections.add(Connection())  # type: ignore[arg-type]
        async with asyncio.timeout(60):
            await server.shutdown()

    server = server_of(close_streams)
    asyncio.run(stop())
    assert order == ["closed", "cut"]


def test_what_the_streams_take_is_not_given_to_the_requests_again() -> None:
    clock, given = Clock(), []

    async def close_streams(timeout_s: float) -> None:
        given.append(timeout_s)
        clock.now_s += 1.5

    async def stop() -> None:
        async with asyncio.timeout(60):
            await server.shutdown()

    server = server_of(close_streams, Drain(2.0, clock))
    asyncio.run(stop())
    assert given == [2.0]
    assert server.config.timeout_graceful_shutdown == 0.5


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("early", [False, True])
def test_a_second_signal_does_not_wait_for_the_streams(sig: signal.Signals, early: bool) -> None:
    given_up: list[str] = []

    async def never(timeout_s: float) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            given_up.append("streams")

    async def stop() -> None:
        async with asyncio.timeout(60):
            if early:  # before the server has seen the first
                server.handle_exit(sig, None)
                server.handle_exit(sig, None)
                await server.shutdown()
                return
            stopping = asyncio.create_task(server.shutdown())
            server.handle_exit(sig, None)
            await asyncio.sleep(0)
            server.handle_exit(sig, None)
            await stopping

    server = server_of(never)
    asyncio.run(stop())
    assert server.force_exit
    assert given_up == ["streams"]


class Collector:
    """Stands for `gc`: what the other tests have loaded is not to be searched here."""

    def __init__(self) -> None:
        self.frozen = 0

    def collect(self) -> None:
        pass

    def freeze(self) -> None:
        self.frozen = 1

    def unfreeze(self) -> None:
        self.frozen = 0


@pytest.fixture
def unfrozen(monkeypatch: pytest.MonkeyPatch) -> Collector:
    collector = Collector()
    monkeypatch.setattr("takt.server.server.gc", collector)
    return collector


def test_what_was_loaded_is_not_searched_for_garbage_while_it_serves(unfrozen) -> None:
    frozen: list[int] = []

    async def serve() -> None:
        loaded = asyncio.Event()
        server = server_of(loaded=loaded.wait)
        async with asyncio.timeout(60):
            serving = asyncio.create_task(server.main_loop())
            await asyncio.sleep(0)
            frozen.append(unfrozen.frozen)
            loaded.set()
            while not unfrozen.frozen:
                await asyncio.sleep(0)
            server.should_exit = True
            await serving
            frozen.append(unfrozen.frozen)

    asyncio.run(serve())
    assert frozen == [0, 0]


def test_a_server_that_ends_while_models_load_ends(unfrozen) -> None:
    async def serve() -> None:
        server = server_of(loaded=asyncio.Event().wait)
        server.should_exit = True
        async with asyncio.timeout(60):
            await server.main_loop()

    asyncio.run(serve())


def bare_app() -> FastAPI:
    """An app without models."""
    app = FastAPI()
    models = SimpleNamespace(
        repository=SimpleNamespace(loaded=asyncio.Event()),
        context=SimpleNamespace(lost=LostThreads(most=2)),
        look=lambda: None,
    )
    foundation = SimpleNamespace(
        drain=Drain(1.0),
        close_streams=at_once,
        models=models,
        metrics=Metrics(),
        peers=Alone(),
    )
    app.state.foundation = foundation
    return app


def test_a_server_that_must_end_drains_like_one_that_is_told_to(unfrozen) -> None:
    async def serve() -> None:
        server = server_of(loaded=at_once)
        serving = asyncio.create_task(server.main_loop())
        server.must_end.set()
        async with asyncio.timeout(60):
            await serving
        assert server.should_exit

    asyncio.run(serve())


@pytest.mark.parametrize(("hanging", "codes"), [(0, []), (1, [0]), (2, [75])])
def test_the_interpreter_waits_for_no_thread_that_hangs(
    monkeypatch, tmp_path, hanging: int, codes: list[int]
) -> None:
    app, loop, ended = bare_app(), asyncio.new_event_loop(), list[int]()

    def hang(_: Server, sockets: list[socket.socket]) -> None:
        for _ in range(hanging):
            foundation_of(app).models.context.lost.add(loop.create_future())

    monkeypatch.setattr(Server, "run", hang)
    monkeypatch.setattr("os._exit", ended.append)
    run(app, Settings(repository=tmp_path), Listening(()))
    loop.close()
    assert ended == codes


def test_the_interpreters_turns_are_short_while_it_serves_and_as_before_then(
    monkeypatch, tmp_path
) -> None:
    seen: list[float] = []
    monkeypatch.setattr(Server, "run", lambda *_: seen.append(sys.getswitchinterval()))
    before_s = sys.getswitchinterval()
    run(bare_app(), Settings(repository=tmp_path), Listening(()))
    assert seen == [pytest.approx(0.0005)]
    assert sys.getswitchinterval() == before_s


@dataclass
class Recorded:
    """What answers beside a server, and what it was told."""

    told: list[object] = field(default_factory=list)
    ends: bool = True

    async def start(self) -> None:
        self.told.append("start")

    async def stop(self, within_s: float) -> None:
        self.told.append(within_s)
        if not self.ends:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self.told.append("given up")


def test_what_answers_beside_ends_within_the_same_time_and_before_the_app() -> None:
    async def stop() -> None:
        async with asyncio.timeout(60):
            await server.shutdown()

    class Lifespan(LifespanOff):
        async def shutdown(self) -> None:
            beside.told.append("app")

    beside = Recorded()
    server = server_of(drain=Drain(2.0, Clock()), beside=beside)
    server.lifespan = Lifespan(server.config)
    asyncio.run(stop())
    assert beside.told == [2.0, "app"]


def test_in_a_hurry_nothing_beside_is_waited_for() -> None:
    async def stop() -> None:
        server.force_exit = True
        async with asyncio.timeout(60):
            await server.shutdown()

    beside = Recorded(ends=False)
    server = server_of(beside=beside)
    asyncio.run(stop())
    assert beside.told == [pytest.approx(30), "given up"]
