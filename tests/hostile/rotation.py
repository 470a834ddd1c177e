"""Keys that are exchanged under load: who changes in time is not refused, and a revoked key is."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from takt.commands.bench.lean_http import Address, HttpPool
from takt.commands.keys import keys
from takt_client.errors import UnreachableError
from tests.hostile.report import Verdict, table
from tests.hostile.rest_requests import post
from tests.hostile.server import Server

CLIENTS = 8
TAKEN_WITHIN_S = 1.0
"""A new key is known, and a revoked one is refused, within this."""
GIVE_UP_S = 20.0
_POLL_S = 0.01
_UNAUTHENTICATED = 401
_POLICY_VIOLATION = 1008
_DAMAGED = b"version = 1\n[keys.line"


@dataclass(slots=True)
class Rotations:
    """What became of requests, keys and streams.

    Attributes:
        requests: answered or not.
        refused: those without a 200, by status; 0 where the connection failed.
        refused_after_s: time from each revocation to the first 401.
        stream_ended_after_s: time from each revocation to the end of the key's open stream.
        ends: close code of the streams and code of their errors.
    """

    requests: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    refused_after_s: list[float] = field(default_factory=list)
    stream_ended_after_s: list[float] = field(default_factory=list)
    ends: Counter[tuple[int, str]] = field(default_factory=Counter)


class Rotation:
    """Clients that ask without a pause, and a person who exchanges their key all the while.

    Args:
        address: of a server with the file of keys.
        file: of keys; it has none yet, or some of others.
        model: that inspects.
        picture: that is posted.
    """

    def __init__(self, address: Address, file: Path, model: str, picture: bytes) -> None:
        self._address = address
        self._file = file
        self._model = model
        self._picture = picture
        self._key = ""
        self._under_way: Counter[str] = Counter()
        self.secrets: list[str] = []
        self.seen = Rotations()

    async def run(self, requests: int, rounds: int) -> Rotations:
        """Ask at least so often, and exchange the key at least so often meanwhile."""
        self._key = await self._add(0)
        await asyncio.sleep(TAKEN_WITHIN_S)
        rotating = asyncio.create_task(self._rotate(requests, rounds))
        await asyncio.gather(*(self._client(rotating) for _ in range(CLIENTS)))
        await rotating
        return self.seen

    async def _client(self, rotating: asyncio.Task[None]) -> None:
        pool = HttpPool(self._address, 1, time.monotonic)
        while not rotating.done():
            key = self._key
            self._under_way[key] += 1
            status = await self._status(pool, key)
            self._under_way[key] -= 1
            self.seen.requests += 1
            if status != 200:
                self.seen.refused[status] += 1
        pool.close()

    async def _rotate(self, requests: int, rounds: int) -> None:
        number = 0
        while number < rounds or self.seen.requests < requests:
            number += 1
            old, new = self._key, await self._add(number)
            await asyncio.sleep(TAKEN_WITHIN_S)
            self._key = new
            while self._under_way[old]:
                await asyncio.sleep(_POLL_S)
            await self._revoke(number - 1, old)
            good = self._file.read_bytes()
            self._file.write_bytes(_DAMAGED)
            await asyncio.sleep(TAKEN_WITHIN_S)
            self._file.write_bytes(good)

    async def _revoke(self, number: int, old: str) -> None:
        url = f"ws://{self._address.authority}/v1/models/{self._model}/stream"
        headers = {"Authorization": f"Bearer {old}"}
        pool = HttpPool(self._address, 1, time.monotonic)
        async with connect(url, additional_headers=headers) as stream:
            await stream.send('{"type": "hello"}')
            await stream.recv()
            await asyncio.to_thread(self._keys, "revoke", f"line{number}")
            revoked_s = time.monotonic()
            ended = asyncio.create_task(self._end_of(stream, revoked_s))
            while await self._status(pool, old) != _UNAUTHENTICATED:
                await asyncio.sleep(_POLL_S)
            self.seen.refused_after_s.append(time.monotonic() - revoked_s)
            await ended
        pool.close()

    async def _end_of(self, stream: object, revoked_s: float) -> None:
        code = ""
        try:
            async with asyncio.timeout(GIVE_UP_S):
                async for message in stream:  # type: ignore[attr-defined]
                    code = json.loads(message).get("code", "")
                close = stream.close_code or 0  # type: ignore[attr-defined]
        except ConnectionClosed as closed:
            close = closed.rcvd.code if closed.rcvd else 0
        except TimeoutError:
            close = 0
        self.seen.stream_ended_after_s.append(time.monotonic() - revoked_s)
        self.seen.ends[close, code] += 1

    async def _status(self, pool: HttpPool, key: str) -> int:
        path = f"/v1/models/{self._model}/inspect"
        head = post(path, self._picture, Content_Type="image/png", Authorization=f"Bearer {key}")
        try:
            async with asyncio.timeout(GIVE_UP_S):
                return (await pool.ask(head, self._picture)).status
        except (TimeoutError, UnreachableError):
            return 0

    async def _add(self, number: int) -> str:
        secret = await asyncio.to_thread(self._keys, "add", f"line{number}", "--scope", "inspect")
        self.secrets.append(secret)
        return secret

    def _keys(self, *arguments: str) -> str:
        result = CliRunner().invoke(keys, [*arguments, "--file", str(self._file)])
        if result.exit_code:
            raise SystemExit(result.output)
        return result.stdout.strip()


def judge(rotation: Rotation, server: Server, requests: int) -> tuple[Verdict, str]:
    """The verdict on a rotation, and its figures."""
    seen, verdict = rotation.seen, Verdict(2)
    rounds = len(seen.refused_after_s)
    latest_s = max(seen.refused_after_s, default=GIVE_UP_S)
    stream_s = max(seen.stream_ended_after_s, default=GIVE_UP_S)
    verdict.demand(seen.requests >= requests, f"{seen.requests} of {requests} requests")
    verdict.demand(not seen.refused, f"refused: {dict(seen.refused)}")
    verdict.demand(latest_s <= TAKEN_WITHIN_S, f"a revoked key was known for {latest_s:.2f} s")
    verdict.demand(stream_s <= TAKEN_WITHIN_S, f"its stream went on for {stream_s:.2f} s")
    wanted = {(_POLICY_VIOLATION, "unauthenticated")}
    verdict.demand(set(seen.ends) == wanted, f"streams ended by {dict(seen.ends)}")
    log = server.log.read_text("utf-8", errors="replace")
    told = sum(secret in log for secret in rotation.secrets)
    verdict.demand(not told, f"{told} keys in the log")
    figures = (
        f"{seen.requests} requests, {rounds} keys exchanged, refused after {latest_s:.2f} s, "
        f"streams ended after {stream_s:.2f} s at the latest"
    )
    return verdict, figures


def run(server: Server, file: Path, model: str, picture: bytes, requests: int) -> None:
    """Exchange keys under load, print the figures, and end the process."""
    rotation = Rotation(server.address, file, model, picture)
    asyncio.run(rotation.run(requests, rounds=3))
    verdict, figures = judge(rotation, server, requests)
    seen = rotation.seen
    rows = [
        (number, f"{refused_s:.3f}", f"{ended_s:.3f}")
        for number, (refused_s, ended_s) in enumerate(
            zip(seen.refused_after_s, seen.stream_ended_after_s, strict=True)
        )
    ]
    print(table(("revoked", "refused after s", "stream ended after s"), rows))
    verdict.end(figures)
