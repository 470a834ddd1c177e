import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

MODEL = "/v1/models/parts"
REQUESTS = 1000
CLIENTS = 8


@dataclass(frozen=True)
class Exchange:
    """A request and its answer, and between which moments it was under way."""

    started_s: float
    ended_s: float
    answer: httpx.Response


def test_a_thousand_requests_while_versions_come_and_go_are_all_answered_by_the_one_they_name(
    fork_server, make_bundle, repository: Path, picture_bytes: Callable[..., bytes]
) -> None:
    """Version 2 answers four fifths of what version 1 does, so that each score tells its own."""
    make_bundle()
    make_bundle(version="2", scale=0.8, trained=0.8)
    levels = [20, 120, 220]
    pictures = [picture_bytes(level, ".png") for level in levels]
    turns = {
        REQUESTS // 5: f"{MODEL}/versions/1/activate",
        2 * REQUESTS // 5: f"{MODEL}/versions/2/activate",
        3 * REQUESTS // 5: f"{MODEL}/rollback",
        4 * REQUESTS // 5: f"{MODEL}/versions/2/activate",
    }
    answers: list[Exchange] = []
    changes: list[Exchange] = []

    async def run(url: str) -> None:
        numbers = iter(range(REQUESTS))
        limits = httpx.Limits(max_connections=CLIENTS)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as http:

            async def post(path: str, **request: Any) -> Exchange:
                started_s = time.monotonic()
                answer = await http.post(path, **request)
                return Exchange(started_s, time.monotonic(), answer)

            async def client() -> None:
                for number in numbers:
                    if number in turns:
                        changes.append(await post(turns[number]))
                    body, id_ = pictures[number % len(pictures)], {"X-Request-ID": str(number)}
                    answers.append(await post(f"{MODEL}/inspect", content=body, headers=id_))

            async with asyncio.timeout(60):
                while (await http.get("/health/ready")).status_code != 200:
                    await asyncio.sleep(0)
            await asyncio.gather(*(client() for _ in range(CLIENTS)))

    with fork_server(repository) as server:
        asyncio.run(run(server.url))
    assert [change.answer.status_code for change in changes] == [200] * 4
    assert [change.answer.json()["version"] for change in changes] == ["1", "2", "1", "2"]
    assert Counter(exchange.answer.status_code for exchange in answers) == {200: REQUESTS}
    scale = {"1": 1.0, "2": 0.8}
    for exchange in answers:
        found = exchange.answer.json()
        level = levels[int(found["request_id"]) % len(levels)]
        assert found["score"] == pytest.approx(level / 255 * scale[found["version"]], abs=1e-6)
        assert found["version"] in versions_during(exchange, changes)
    assert {exchange.answer.json()["version"] for exchange in answers} == {"1", "2"}


def versions_during(exchange: Exchange, changes: list[Exchange]) -> set[str]:
    """Those that were the active one at some moment of it; version 2 is at the start."""
    found = {"2"}
    for change in changes:
        version = change.answer.json()["version"]
        if change.ended_s <= exchange.started_s:
            found = {version}
        elif change.started_s <= exchange.ended_s:
            found.add(version)
    return found


def test_what_is_put_into_the_folder_is_served_soon_without_a_restart_and_a_later_version_waits(
    fork_server, make_bundle, repository: Path, picture_bytes: Callable[..., bytes]
) -> None:
    make_bundle()

    async def run(url: str) -> set[str]:
        versions = set()
        async with httpx.AsyncClient(base_url=url, timeout=60) as http, asyncio.timeout(60):
            make_bundle(version="2")
            make_bundle("nuts", "7")
            for path in (f"{MODEL}/versions/2", "/v1/models/nuts"):
                while (await http.post(f"{path}/inspect", content=picture_bytes(50))).is_error:
                    answer = await http.post(f"{MODEL}/inspect", content=picture_bytes(50))
                    versions.add(answer.json()["version"])
            versions.add((await http.get(MODEL)).json()["active"])
        return versions

    with fork_server(repository, "--repository-poll-s", "0.05") as server:
        assert asyncio.run(run(server.url)) == {"1"}


def test_the_log_has_one_json_object_for_each_picture_and_for_all_else(
    fork_server, bundle, repository: Path, picture_bytes: Callable[..., bytes]
) -> None:
    with fork_server(repository, "--log-format", "json") as server:
        sent = {"X-Request-ID": "from-the-line"}
        path = f"{server.url}{MODEL}/inspect"
        assert httpx.post(path, content=picture_bytes(200), headers=sent).status_code == 200
        assert httpx.post(path, content=b"no picture").status_code == 400
        assert httpx.post(f"{server.url}{MODEL}/versions/1/activate").status_code == 200
        server.stop()
        lines = [json.loads(line) for line in server.log]
    messages = {line["message"]: line for line in lines}
    assert {"time", "level", "logger", "message"} <= set.intersection(*map(set, lines))
    answered = messages["answered"]
    assert (answered["request_id"], answered["verdict"]) == ("from-the-line", "anomalous")
    assert answered["timings"]["total_ms"] > 0
    assert messages["refused"]["code"] == "invalid_image"
    assert messages["version_activated"]["facts"]["version"] == "1"
    assert {line["logger"].partition(".")[0] for line in lines} == {"takt"}
