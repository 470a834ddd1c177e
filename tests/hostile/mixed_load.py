"""Everything at once on one server until it is killed; its answers are known beforehand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import cv2
import httpx
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from takt_client.pictures import pack_frame
from tests.hostile.bundle import MODEL
from tests.hostile.killing import Life

SCALES = {"1": 1.0, "2": 0.5}
"""Versions of the model, and by what each multiplies the brightness."""

RECIPE: dict[str, Any] = {
    "number": 7,
    "deadline_ms": 60_000,
    "alpha": 0.1,
    "views": [{"name": name, "model": MODEL, "version": "1"} for name in ("top", "side")],
}
"""Parts are judged by version 1, whichever is active."""

GOOD, BAD = range(10, 100), range(160, 250)
"""Brightness of the views of parts, far on either side of the recipe's threshold."""

NEARLY = 1e-4
KINDS = ("rest", "stream", "part", "part by stream")
"""Of clients that get answers."""
_LEARNED_FROM = 8


def score_of(level: int, version: str) -> float:
    """What a version answers to a picture of this brightness."""
    return level / 255 * SCALES[version]


@dataclass(slots=True)
class MixedLife(Life):
    """One life of the server, as its clients saw it.

    Attributes:
        sent: brightness of each picture that was sent, by the id of its request or frame.
        acknowledged_s: when each of these was answered.
        answers: how many came, by the kind of client.
        refusals: errors instead of answers, by their code.
        wrong: answers that were not those of their pictures or parts.
        parts: whether a part was sent as a good one, by its id.
        told: those of them whose result was answered.
        switches: of the active version.
        learnings: what became of them.
        killed_s: when the server was killed.
        unrecorded_s: how long before that the answers came that the record has lost.
    """

    sent: dict[str, int] = field(default_factory=dict)
    acknowledged_s: dict[str, float] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    parts: dict[str, bool] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    switches: int = 0
    learnings: Counter[str] = field(default_factory=Counter)
    killed_s: float = 0.0
    unrecorded_s: list[float] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether everything that is to be under way was."""
        return self.switches > 0 and all(self.answers[kind] for kind in KINDS)


def picture_of(level: int) -> bytes:
    """A grey picture of this brightness; no two files are alike."""
    _, data = cv2.imencode(".png", np.full((48, 64, 3), level, np.uint8))
    return data.tobytes() + uuid.uuid4().bytes


class MixedLoad:
    """Clients of one life; all of them end when the server does.

    Args:
        url: of the server.
        life: is told what was answered.
        drawn: gives the pictures.
        changes: whether versions, thresholds and models change meanwhile.
    """

    def __init__(
        self, url: str, life: MixedLife, drawn: random.Random, *, changes: bool = True
    ) -> None:
        self._changes = changes
        self._url = url
        self._life = life
        self._drawn = drawn

    async def until_killed(self, kill: Callable[[], Awaitable[None]]) -> None:
        """Ask until the server is gone.

        Args:
            kill: comes back once it is.
        """
        async with httpx.AsyncClient(base_url=self._url, timeout=30.0) as http:
            saved = await http.put("/v1/recipes/bracket", json=RECIPE)
            saved.raise_for_status()
            clients: Iterable[Callable[[httpx.AsyncClient], Awaitable[None]]] = (
                *(self._rest, self._rest, self._stream, self._stream),
                *(self._parts_by_rest, self._parts_by_stream),
                *((self._switch, self._change_threshold, self._learn) if self._changes else ()),
            )
            tasks = [asyncio.create_task(self._ended(one(http))) for one in clients]
            await kill()
            self._life.killed_s = time.monotonic()
            await asyncio.gather(*tasks)

    async def _ended(self, client: Awaitable[None]) -> None:
        # The server is killed while it is asked.
        with contextlib.suppress(httpx.HTTPError, OSError, WebSocketException):
            await client

    async def _rest(self, http: httpx.AsyncClient) -> None:
        while True:
            level = self._drawn.randrange(256)
            request_id = self._named(level)
            answer = await http.post(
                f"/v1/models/{MODEL}/inspect",
                content=picture_of(level),
                headers={"X-Request-Id": request_id},
            )
            if await self._has_answer(answer):
                self._inspected("rest", request_id, answer.json(), level)

    async def _stream(self, _: httpx.AsyncClient) -> None:
        async with self._connected() as (socket, named):
            for sequence in range(1_000_000):
                level = self._drawn.randrange(256)
                request_id = self._named(level, named(sequence))
                await socket.send(pack_frame(sequence, 0, picture_of(level)))
                answer = json.loads(await socket.recv())
                if await self._has_outcome(answer):
                    self._inspected("stream", request_id, answer, level)

    async def _parts_by_rest(self, http: httpx.AsyncClient) -> None:
        while True:
            part, levels = self._part()
            for view, level in levels:
                request_id = self._named(level)
                answer = await http.post(
                    f"/v1/parts/{part}/views/{view}",
                    content=picture_of(level),
                    params={"recipe": "bracket"},
                    headers={"X-Request-Id": request_id},
                )
                if not await self._has_answer(answer):
                    break
                body = answer.json()
                self._viewed("part", request_id, part, view, body, body["inspection"], level)

    async def _parts_by_stream(self, _: httpx.AsyncClient) -> None:
        async with self._connected() as (socket, named):
            sequence = 0
            while True:
                part, levels = self._part()
                for view, level in levels:
                    request_id = self._named(level, named(sequence))
                    shown = {"type": "view", "part": part, "view": view, "recipe": "bracket"}
                    await socket.send(json.dumps(shown))
                    await socket.send(pack_frame(sequence, 0, picture_of(level)))
                    sequence += 1
                    answer = json.loads(await socket.recv())
                    if not await self._has_outcome(answer):
                        break
                    self._viewed(
                        *("part by stream", request_id, part, view),
                        *(answer["view"], answer, level),
                    )

    async def _switch(self, http: httpx.AsyncClient) -> None:
        while True:
            for version in SCALES:
                path = f"/v1/models/{MODEL}/versions/{version}/activate"
                if await self._has_answer(await http.post(path, json={"reason": "a kill is near"})):
                    self._life.switches += 1
                await asyncio.sleep(0.3)

    async def _change_threshold(self, http: httpx.AsyncClient) -> None:
        while True:
            body = {"image": self._drawn.random(), "reason": "a kill is near"}
            if await self._has_answer(await http.put(f"/v1/models/{MODEL}/threshold", json=body)):
                self._life.changes += 1
            await asyncio.sleep(0.2)

    async def _learn(self, http: httpx.AsyncClient) -> None:
        """Learn a small PatchCore again and again; what a killed server learned has failed."""
        for job in (await http.get("/v1/learning")).json()["jobs"]:
            self._life.learnings[f"{job['state']} after a kill"] += 1
            await http.delete(f"/v1/learning/{job['id']}")
        while True:
            made = await http.post("/v1/learning", json={"model": "nut", "size": "64"})
            if not await self._has_answer(made, 201):
                return
            path = f"/v1/learning/{made.json()['id']}"
            for seed in range(_LEARNED_FROM):
                await http.post(f"{path}/pictures", content=_good_part(seed))
            await http.post(f"{path}/start")
            self._life.learnings["begun"] += 1
            while (job := (await http.get(path)).json())["learned"] is None:
                if job["state"] == "failed":
                    break
                await asyncio.sleep(0.5)
            self._life.learnings["failed" if job["learned"] is None else "done"] += 1
            await http.delete(path)

    @contextlib.asynccontextmanager
    async def _connected(self) -> Any:
        """A stream, and what names its frames."""
        address = f"{self._url.replace('http', 'ws', 1)}/v1/models/{MODEL}/stream"
        async with connect(address, proxy=None) as socket:
            await socket.send(json.dumps({"type": "hello", "policy": "all"}))
            key = json.loads(await socket.recv())["session"]
            found: tuple[ClientConnection, Callable[[int], str]]
            found = socket, lambda sequence: f"{key[:8]}-{sequence}"
            yield found

    def _named(self, level: int, request_id: str | None = None) -> str:
        request_id = request_id or uuid.uuid4().hex
        self._life.sent[request_id] = level
        return request_id

    def _part(self) -> tuple[str, list[tuple[str, int]]]:
        """Id of a new part, and its views in any order."""
        part, good = uuid.uuid4().hex, self._drawn.random() < 0.5
        levels = [self._drawn.choice(GOOD), self._drawn.choice(GOOD if good else BAD)]
        self._drawn.shuffle(levels)
        views = list(zip(("top", "side"), levels, strict=True))
        self._drawn.shuffle(views)
        self._life.parts[part] = good
        return part, views

    async def _has_answer(self, response: httpx.Response, status: int = 200) -> bool:
        if response.status_code == status:
            return True
        await self._refused(response.json()["code"])
        return False

    async def _has_outcome(self, message: dict[str, Any]) -> bool:
        if message["type"] == "answer":
            return True
        await self._refused(message.get("code", message["type"]))
        return False

    async def _refused(self, code: str) -> None:
        self._life.refusals[code] += 1
        # Nobody who was refused asks again without a pause.
        await asyncio.sleep(0.02)

    def _viewed(
        self,
        kind: str,
        request_id: str,
        part: str,
        view: str,
        said: dict[str, Any],
        inspection: dict[str, Any],
        level: int,
    ) -> None:
        if (said["part"], said["view"]) != (part, view) or inspection["version"] != "1":
            self._life.wrong.append(f"view {view} of {part} was answered as {said}")
        result = said["result"]
        expected = "good" if self._life.parts[part] else "defect"
        if result is not None:
            self._life.told.add(part)
        if result is not None and result["verdict"] != expected:
            self._life.wrong.append(f"part {part} is {expected} and was answered {result}")
        self._inspected(kind, request_id, inspection, level)

    def _inspected(self, kind: str, request_id: str, said: dict[str, Any], level: int) -> None:
        self._life.acknowledged_s[request_id] = time.monotonic()
        self._life.answers[kind] += 1
        self._life.answered += 1
        expected = score_of(level, said["version"])
        if said["request_id"] != request_id or abs(said["score"] - expected) > NEARLY:
            self._life.wrong.append(
                f"{kind}: brightness {level} scores {expected:.4f} by version {said['version']}, "
                f"and {request_id} was answered {said['score']:.4f} as {said['request_id']}"
            )


def _good_part(seed: int) -> bytes:
    """Looks much like the others, so that the self-test finds nothing grave against the model."""
    same = np.random.default_rng(0).integers(40, 200, (12, 16, 3))
    coarse = same + np.random.default_rng(seed).integers(-8, 9, same.shape)
    picture = cv2.resize(coarse.astype(np.uint8), (80, 60), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".png", picture)[1].tobytes()
