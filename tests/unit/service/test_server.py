from __future__ import annotations

import asyncio
import signal

import uvicorn
from uvicorn.lifespan.off import LifespanOff

from service.server import Server


def server_of(close_streams) -> Server:
    """A server that has started, without an app and without sockets."""
    config = uvicorn.Config(None, log_config=None)  # type: ignore[arg-type]
    server = Server(config, close_streams)
    server.servers = []
    server.lifespan = LifespanOff(config)
    return server


def test_the_streams_are_closed_before_the_connections_are_cut() -> None:
    order: list[str] = []

    class Connection:
        def shutdown(self) -> None:
            order.append("cut")
            server.server_state.connections.clear()

    async def close_streams() -> None:
        await asyncio.sleep(0)
        order.append("closed")

    async def stop() -> None:
        server.server_state.connections.add(Connection())  # type: ignore[arg-type]
        async with asyncio.timeout(10):
            await server.shutdown()

    server = server_of(close_streams)
    asyncio.run(stop())
    assert order == ["closed", "cut"]


def test_a_second_signal_does_not_wait_for_the_streams() -> None:
    given_up: list[str] = []

    async def never() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            given_up.append("streams")

    async def stop() -> None:
        async with asyncio.timeout(10):
            stopping = asyncio.create_task(server.shutdown())
            server.handle_exit(signal.SIGINT, None)
            await asyncio.sleep(0)
            server.handle_exit(signal.SIGINT, None)
            await stopping

    server = server_of(never)
    asyncio.run(stop())
    assert given_up == ["streams"]
