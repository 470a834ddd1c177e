"""Line before bulk all the way, and what is bounded behind the engine too."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from takt.core.errors import DeadlineExceededError
from takt.core.inspection import finish, whole
from takt.core.inspection.pipeline import Pipeline
from tests.api.apps import until

URL = "/v1/models/parts/inspect"


class Gate:
    """Stands in for a function of the journey: notes each call and waits while it is shut."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.threads: list[str] = []
        self.open = threading.Event()
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.threads.append(threading.current_thread().name)
        self.calls.append(args)
        assert self.open.wait(60)
        return self._function(*args, **kwargs)

    async def reached(self, calls: int) -> None:
        await until(lambda: len(self.calls) >= calls)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType, str], Gate]:
    def shut(module: ModuleType, name: str) -> Gate:
        gate = Gate(getattr(module, name))
        monkeypatch.setattr(module, name, gate)
        return gate

    return shut


@pytest.fixture
def pipelines(monkeypatch: pytest.MonkeyPatch) -> list[Pipeline]:
    """Every pipeline that the app made."""
    made: list[Pipeline] = []

    class Recorded(Pipeline):
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            made.append(self)

    monkeypatch.setattr("takt.repository.model_version.Pipeline", Recorded)
    return made


def post(client: httpx.AsyncClient, body: bytes, **query: object) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(client.post(URL, content=body, params=query))  # type: ignore[arg-type]


async def settled() -> None:
    """Let every request that was begun go as far as it can without a thread."""
    for _ in range(200):
        await asyncio.sleep(0)


async def test_line_pictures_are_decoded_before_bulk_ones(serve, picture_bytes, gate) -> None:
    async with serve(decode_threads=1, max_queue_size=64) as client:
        decoding = gate(whole, "prepare")
        bodies = [picture_bytes(level) for level in range(20, 30)]
        bulk = [post(client, body, priority="bulk") for body in bodies[:8]]
        await decoding.reached(1)
        await settled()
        line = [post(client, body) for body in bodies[8:]]
        await settled()
        decoding.open.set()
        answers = await asyncio.gather(*bulk, *line)
        assert {answer.status_code for answer in answers} == {200}
        order = [bodies.index(args[0]) for args in decoding.calls]
        # One bulk picture had the thread, and one may have been at hand before the line's came.
        assert order[0] == 0 and {8, 9} <= set(order[:4])


async def test_a_small_picture_does_not_wait_for_large_ones_to_be_decoded(
    serve, picture_bytes, gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = picture_bytes()
    large = cv2.imencode(".png", np.zeros((2001, 2000, 3), np.uint8))[1].tobytes()
    prepare = whole.prepare
    async with serve(decode_threads=1) as client:
        held = gate(whole, "prepare")
        monkeypatch.setattr(
            whole,
            "prepare",
            lambda data, *a, **k: (held if data == large else prepare)(data, *a, **k),
        )
        waiting = [post(client, large) for _ in range(3)]
        await held.reached(1)
        assert (await client.post(URL, content=small)).status_code == 200
        held.open.set()
        assert [(await one).status_code for one in waiting] == [200] * 3


async def test_a_large_picture_is_not_decoded_by_an_engine(
    serve, picture_bytes, gate, pipelines: list[Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(decode_threads=1) as client:
        decoding = gate(whole, "prepare")
        decoding.open.set()
        for most in (10, 1 << 20):
            monkeypatch.setattr(whole, "_LENT_BYTES", most)
            await until(lambda: pipelines[0]._batcher.idle_runners == 1)
            assert (await client.post(URL, content=picture_bytes())).status_code == 200
        elsewhere, lent = decoding.threads
        assert elsewhere.startswith("preparing")
        assert not lent.startswith("preparing")


def test_a_picture_that_is_decoded_too_late_does_not_run() -> None:
    def never(_: object) -> None:
        raise AssertionError("it ran")

    with pytest.raises(DeadlineExceededError):
        whole._run_here(lambda: (None, 0.0), -math.inf, never)  # type: ignore[arg-type]


async def test_what_waits_to_be_rendered_counts_as_waiting(
    serve, picture_bytes, gate, pipelines: list[Pipeline]
) -> None:
    async with serve(decode_threads=1, max_queue_size=3) as client:
        rendering = gate(finish, "render")
        held = []
        for count in (1, 2, 3):
            held.append(post(client, picture_bytes(), heatmap="overlay"))
            await rendering.reached(1)
            await until(lambda count=count: len(pipelines[0]._finishing) >= count)
        refused = await client.post(URL, content=picture_bytes())
        assert refused.status_code == 429
        rendering.open.set()
        assert [(await one).status_code for one in held] == [200] * 3
        assert (await client.post(URL, content=picture_bytes())).status_code == 200
