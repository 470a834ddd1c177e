"""Both clients, and a clock that only waits in name."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import numpy as np
import pytest

from fake_server import inspection, scripted, wire
from takt_client import AsyncTaktClient, RetryPolicy, StreamItem, TaktClient, TaktError
from takt_client.connection import KEY_VARIABLE, ClientOptions
from takt_client.retry import RetryClock

__all__ = ["scripted", "wire"]

Kind = Literal["blocking", "async"]


@dataclass
class FakeTime:
    """Seconds that pass only where somebody sleeps; chance is always the worst."""

    now_s: float = 0.0
    waits_s: list[float] = field(default_factory=list)

    @property
    def clock(self) -> RetryClock:
        return RetryClock(now_s=lambda: self.now_s, chance=lambda: 1.0)

    def sleep(self, delay_s: float) -> None:
        self.waits_s.append(delay_s)
        self.now_s += delay_s

    async def sleep_async(self, delay_s: float) -> None:
        self.sleep(delay_s)


@dataclass
class Heard:
    """What a listener heard: for each wait the error's code and the seconds, then `succeeded`."""

    events: list[tuple[str, float] | str] = field(default_factory=list)

    def waits(self, error: TaktError, delay_s: float) -> None:
        self.events.append((error.code, delay_s))

    def succeeded(self) -> None:
        self.events.append("succeeded")


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(autouse=True)
def no_key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of whoever runs the tests stays out of them."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture(params=["blocking", "async"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


Call = Callable[..., Any]


@pytest.fixture
def call(kind: Kind, time: FakeTime) -> Call:
    """`call(handler, method, *args, retry=...)`: what one call of either client answers."""

    def run(
        handler: Callable[[httpx.Request], httpx.Response],
        method: str,
        *args: object,
        retry: RetryPolicy | None = None,
        options: ClientOptions | None = None,
        **kwargs: object,
    ) -> object:
        transport = httpx.MockTransport(handler)
        given = options or {}
        if kind == "blocking":
            with TaktClient(
                "http://takt",
                retry=retry,
                transport=transport,
                clock=time.clock,
                sleep=time.sleep,
                **given,
            ) as client:
                return getattr(client, method)(*args, **kwargs)

        async def run_async() -> object:
            async with AsyncTaktClient(
                "http://takt",
                retry=retry,
                transport=transport,
                clock=time.clock,
                sleep=time.sleep_async,
                **given,
            ) as client:
                return await getattr(client, method)(*args, **kwargs)

        return asyncio.run(run_async())

    return run


Stream = Callable[..., Iterator[StreamItem]]


@pytest.fixture
def stream(kind: Kind, time: FakeTime) -> Stream:
    """`stream(url, pictures, seen, **choices)`: adds to `seen` what either client's stream yields.

    Returns the figures that the server gave at the end.
    """

    def run(
        url: str,
        pictures: Sequence[object],
        seen: list[StreamItem],
        retry: RetryPolicy | None = None,
        color: Any = None,
        options: ClientOptions | None = None,
        **choices: Any,
    ) -> object:
        given = options or {}
        if kind == "blocking":
            with (
                TaktClient(url, retry=retry, clock=time.clock, sleep=time.sleep, **given) as client,
                client.stream("parts", **choices) as frames,
            ):
                for item in frames.inspect(pictures, color=color):  # type: ignore[arg-type]
                    seen.append(item)
                return frames.stats

        async def run_async() -> object:
            async with (
                asyncio.timeout(60),
                AsyncTaktClient(
                    url, retry=retry, clock=time.clock, sleep=time.sleep_async, **given
                ) as client,
                client.stream("parts", **choices) as frames,
            ):
                async for item in frames.inspect(pictures, color=color):  # type: ignore[arg-type]
                    seen.append(item)
                return frames.stats

        return asyncio.run(run_async())

    return run


@pytest.fixture
def left_while_sending(kind: Kind) -> Callable[..., Exception]:
    """`left_while_sending(url, when, then, **client)`: how sending ends where the stream is left.

    The stream is left once `when` is set, and `then` is set after that; what the thread or the task
    that goes on sending meets is returned.
    """

    def run(url: str, when: threading.Event, then: threading.Event, **client: Any) -> Exception:
        if kind == "blocking":
            met: list[Exception] = []

            def send(frames: Any) -> None:
                try:
                    while True:
                        frames.send(b"")
                except Exception as error:
                    met.append(error)

            with TaktClient(url, **client) as takt:
                with pytest.raises(ZeroDivisionError), takt.stream("parts") as frames:
                    sending = threading.Thread(target=send, args=[frames], daemon=True)
                    sending.start()
                    assert when.wait(60)
                    raise ZeroDivisionError
                then.set()
                sending.join(10)
            assert not sending.is_alive(), "it goes on"
            return met[0]

        async def send_async(frames: Any) -> None:
            while True:
                await frames.send(b"")

        async def run_async() -> Exception:
            async with asyncio.timeout(60), AsyncTaktClient(url, **client) as takt:
                with pytest.raises(ZeroDivisionError):
                    async with takt.stream("parts") as frames:
                        sending = asyncio.create_task(send_async(frames))
                        assert await asyncio.to_thread(when.wait, 10)
                        raise ZeroDivisionError
                then.set()
                await asyncio.wait({sending}, timeout=10)
                assert sending.done(), "it goes on"
                error = sending.exception()
                assert isinstance(error, Exception)
                return error

        return asyncio.run(run_async())

    return run


@pytest.fixture
def ok_server() -> Callable[[httpx.Request], httpx.Response]:
    """Answers each picture; `requests` has what it got."""

    def handle(request: httpx.Request) -> httpx.Response:
        handle.requests.append(request)
        return httpx.Response(200, json=inspection(request_id="r"))

    handle.requests = []
    return handle


@pytest.fixture
def rgb() -> np.ndarray:
    """uint8 [3, 5, 3]: a width that BMP must pad, and all values different."""
    return np.arange(45, dtype=np.uint8).reshape(3, 5, 3)
