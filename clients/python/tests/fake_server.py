"""A server of WebSockets that follows a script, and the words that it has."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

Script = Callable[[ServerConnection], None]
StartStream = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def scripted() -> StartStream:
    """`with scripted(script, ...) as url:` a server whose n-th connection follows the n-th script.

    `options` are those of `websockets.sync.server.serve`. What fails in a script fails the test.
    """

    @contextmanager
    def start(*scripts: Script, **options: Any) -> Iterator[str]:
        left = list(scripts)
        failures: list[Exception] = []

        def handle(connection: ServerConnection) -> None:
            try:
                left.pop(0)(connection)
            except ConnectionClosed:
                pass
            except Exception as error:
                failures.append(error)
                raise

        with serve(handle, "127.0.0.1", 0, compression=None, **options) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                scheme = "https" if "ssl" in options else "http"
                yield f"{scheme}://127.0.0.1:{server.socket.getsockname()[1]}"
            finally:
                server.shutdown()
                thread.join()
        assert not failures
        assert not left

    return start


def inspection(**changes: object) -> dict[str, Any]:
    """The fields that REST and stream share."""
    return {
        "model": "parts",
        "version": "1",
        "score": 0.75,
        "threshold": 0.5,
        "anomalous": True,
        "percentile": 100.0,
        "image": {"width": 64, "height": 48},
        "inspected": [0, 0, 64, 48],
        "regions": [{"box": [16, 12, 8, 6], "area": 40, "peak": 0.75}],
        "heatmap": None,
        "timings_ms": dict.fromkeys(
            ("decode", "preprocess", "queue", "engine", "postprocess", "render", "total"), 1.0
        ),
        **changes,
    }


def welcome(*, credits: int = 2, next_sequence: int = 0, resumed: bool = False) -> str:
    return json.dumps(
        {
            "type": "welcome",
            "session": "s1",
            "resumed": resumed,
            "model": "parts",
            "version": "1",
            "policy": "all",
            "credits": credits,
            "next_sequence": next_sequence,
        }
    )


def answer(sequence: int, **changes: object) -> str:
    return json.dumps(
        inspection(
            type="answer",
            sequence=sequence,
            captured_us=0,
            age_ms=3.0,
            dropped=0,
            smoothed_score=None,
            vote=None,
            **changes,
        )
    )


def problem(code: str, status: int, **more: object) -> dict[str, Any]:
    return {
        "type": f"urn:takt:error:{code}",
        "title": code,
        "status": status,
        "detail": f"the detail of {code}",
        "code": code,
        **more,
    }


def refusal(code: str, status: int, **more: object) -> str:
    return json.dumps({**problem(code, status), "type": "error", **more})


def goodbye(frames: int) -> str:
    none = {"p50": None, "p95": None, "p99": None}
    return json.dumps(
        {
            "type": "bye",
            "stats": {
                "frames": frames,
                "answered": frames,
                "errors": 0,
                "dropped": 0,
                "anomalous": 0,
                "seconds": 1.0,
                "frames_per_s": float(frames),
                "latency_ms": none,
                "age_ms": {"p50": 1.0, "p95": 2.0, "p99": 3.0},
            },
        }
    )


@dataclass(frozen=True)
class Frame:
    """A frame as a server finds it on the wire."""

    sequence: int
    captured_us: int
    code: int
    width: int
    height: int
    picture: bytes


def unpack(data: bytes) -> Frame:
    magic, version, code, _, *numbers = struct.unpack_from("<2sBBIQQII", data)
    assert (magic, version) == (b"TK", 1)
    sequence, captured_us, width, height = numbers
    return Frame(sequence, captured_us, code, width, height, data[32:])


@dataclass(frozen=True)
class Wire:
    """What a server says, and what it reads."""

    unpack = staticmethod(unpack)

    inspection = staticmethod(inspection)
    welcome = staticmethod(welcome)
    answer = staticmethod(answer)
    problem = staticmethod(problem)
    refusal = staticmethod(refusal)
    goodbye = staticmethod(goodbye)


@pytest.fixture
def wire() -> Wire:
    return Wire()
