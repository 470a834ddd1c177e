import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

TAKT = Path(sys.executable).with_name("takt")
PATH = "/v1/models/parts/inspect"


def test_thirty_two_clients_are_batched_and_a_corrupt_picture_fails_alone(
    fork_server, bundle, repository: Path, picture_bytes: Callable[..., bytes]
) -> None:
    async def client(http: httpx.AsyncClient, number: int) -> list[int]:
        body = picture_bytes(200 if number % 2 else 50, ".jpg", size=(640, 480))
        bodies = [body] * 6
        if number == 7:
            bodies[3] = body[:-500]
        return [(await http.post(PATH, content=body)).status_code for body in bodies]

    async def run(url: str) -> tuple[list[list[int]], str]:
        limits = httpx.Limits(max_connections=32)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as http:
            statuses = await asyncio.gather(*(client(http, number) for number in range(32)))
            return statuses, (await http.get("/metrics")).text

    with fork_server(repository, "--max-batch-size", "8") as server:
        statuses, metrics = asyncio.run(run(server.url))
        assert statuses.pop(7) == [200, 200, 200, 400, 200, 200]
        assert statuses == [[200] * 6] * 31
        total = re.search(r'takt_batch_size_sum\{model="parts"\} (\S+)', metrics)
        assert total is not None
        assert float(total[1]) == 32 * 6 - 1


def test_a_stopped_server_answers_what_it_accepted(
    start_server, bundle, repository: Path, picture_bytes: Callable[..., bytes]
) -> None:
    async def post_then_stop(server) -> list[int]:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            slow = picture_bytes(50, ".png", size=(3000, 2000))
            posts: list[asyncio.Task[httpx.Response]] = []
            async with asyncio.timeout(60):
                while "takt_in_flight 5.0" not in (await http.get("/metrics")).text:
                    if all(post.done() for post in posts):  # too soon to be seen under way
                        post = partial(http.post, PATH, content=slow)
                        posts = [asyncio.create_task(post()) for _ in range(4)]
            server.process.send_signal(signal.SIGTERM)
            return [response.status_code for response in await asyncio.gather(*posts)]

    with start_server(repository) as server:
        assert asyncio.run(post_then_stop(server)) == [200] * 4
        assert server.process.wait(timeout=60) in (0, -signal.SIGTERM)


def test_what_a_stopped_server_has_no_time_for_is_told_so(
    fork_server, bundle, repository: Path, picture_bytes: Callable[..., bytes]
) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"

    async def post_then_stop(server) -> bytes:
        port = int(server.url.rpartition(":")[2])
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=server.url) as http:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.encode() + picture_bytes()[:20])
            while "takt_in_flight 2.0" not in (await http.get("/metrics")).text:
                pass
            server.process.send_signal(signal.SIGTERM)
            answer = await reader.read()
            writer.close()
            return answer

    with fork_server(repository, "--drain-timeout-s", "0.2") as server:
        answer = asyncio.run(post_then_stop(server))
        assert server.stop() in (0, -signal.SIGTERM)
        assert "Traceback" not in "".join(server.log)
    assert answer.startswith(b"HTTP/1.1 503 ")
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert problem["code"] == "not_ready"
    assert "drain_timeout_s" in problem["detail"]


def test_who_hears_events_does_not_hold_up_a_server_that_ends(
    fork_server, bundle, repository: Path, tmp_path: Path
) -> None:
    async def hear_then_stop(server) -> str:
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=server.url) as http:
            accept = {"accept": "text/event-stream"}
            async with http.stream("GET", "/v1/inspections/feed", headers=accept) as events:
                heard = events.aiter_text()
                begin = await anext(heard)
                server.process.send_signal(signal.SIGTERM)
                return begin + "".join([part async for part in heard])

    options = ("--record", "sqlite", "--data-folder", str(tmp_path), "--drain-timeout-s", "600")
    with fork_server(repository, *options) as server:
        assert asyncio.run(hear_then_stop(server)).startswith("retry: ")
        assert server.stop() in (0, -signal.SIGTERM)
        assert "Traceback" not in "".join(server.log)


def test_a_caller_that_hangs_up_is_given_up(
    fork_server, bundle, repository: Path, picture_bytes: Callable[..., bytes]
) -> None:
    body = picture_bytes(50, ".png", size=(4000, 3000))
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"

    async def hang_up(server) -> None:
        port = int(server.url.rpartition(":")[2])
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:

            async def metrics() -> str:
                return (await http.get("/metrics")).text

            async with asyncio.timeout(60):
                while 'outcome="client_gone"' not in await metrics():
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(head.encode() + body)
                    await writer.drain()
                    answer = asyncio.create_task(
                        reader.readline()
                    )  # may be too soon to be given up
                    while "takt_in_flight 2.0" not in await metrics() and not answer.done():
                        pass
                    writer.close()
                    await answer
            assert (await http.post(PATH, content=picture_bytes())).status_code == 200

    with fork_server(repository) as server:
        asyncio.run(hang_up(server))
        assert server.stop() in (0, -signal.SIGTERM)
        assert "Traceback" not in "".join(server.log)


@pytest.mark.parametrize(
    ("options", "variables", "status", "complaint"),
    [
        (
            ["--repository", "nowhere", "--port", "0"],
            {},
            1,
            "the model repository nowhere is no folder",
        ),
        (["--max-batch-size", "-1"], {}, 2, "'--max-batch-size': -1 is not in the range 0<=x<=256"),
        ([], {"TAKT_MAX_BATCH_SIZE": "-1"}, 1, "setting max_batch_size is '-1'"),
        (["--config", "nowhere.toml"], {}, 1, "the settings file nowhere.toml cannot be read"),
    ],
)
def test_a_wrong_start_ends_with_one_clear_line(
    options: list[str], variables: dict[str, str], status: int, complaint: str
) -> None:
    ended = subprocess.run(
        [str(TAKT), "serve", *options], capture_output=True, text=True, env=os.environ | variables
    )
    assert ended.returncode == status
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr
