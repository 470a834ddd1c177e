from __future__ import annotations

import asyncio
import signal

import pytest
import uvicorn
from uvicorn.lifespan.off import LifespanOff

from service.drain import Drain
from service.server import Server


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def server_of(close_streams, drain: Drain | None = None) -> Server:
    """A server that has started, without an app and without sockets."""
    config = uvicorn.Config(None, log_config=None)  # type: ignore[arg-type]
    server = Server(config, drain or Drain(30.0), close_streams)
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
        async with asyncio.timeout(10):
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
        async with asyncio.timeout(10):
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
        async with asyncio.timeout(10):
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
