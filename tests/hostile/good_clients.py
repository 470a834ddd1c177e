"""Good clients in a process of their own: each asks again as soon as it has its answer.

Run as a program, it prints what became of their requests as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from takt.commands.bench.lean_http import Address, HttpPool
from takt_client.errors import UnreachableError
from tests.hostile.report import percentile
from tests.hostile.rest_requests import post
from tests.hostile.server import MODEL, Server, bench_places

CLIENTS = 16
FRESH = 1
"""Of these, how many make a new connection for each request."""

GIVE_UP_S = 20.0
_AFTER_A_FAILURE_S = 0.05
_OK = 200


@dataclass(frozen=True, slots=True)
class GoodFigures:
    """What became of the requests of good clients.

    Attributes:
        requests: how many there were.
        refused: those without a 200, by status; 0 where the connection failed, -1 where no answer
            came.
        per_s: answers per second.
        p50_ms: median time to an answer.
        p99_ms: time to an answer that 99 % do not exceed.
        max_ms: longest wait, with or without an answer.
    """

    requests: int
    refused: dict[str, int]
    per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float


async def ask_for(
    address: Address, path: str, picture: bytes, *, seconds: float, pace_s: float = 0.0
) -> GoodFigures:
    """Let the clients ask for some seconds.

    Args:
        address: of the server.
        path: that is posted to.
        picture: that is posted.
        seconds: length of the run.
        pace_s: shortest time from one request of a client to its next.
    """
    head = post(path, picture, Content_Type="image/jpeg")
    ends_s = time.monotonic() + seconds
    waits_s: list[float] = []
    answered_s: list[float] = []
    refused: Counter[str] = Counter()

    async def client(number: int) -> None:
        pool = HttpPool(address, 1, time.monotonic)
        await asyncio.sleep(pace_s * number / CLIENTS)
        while (started_s := time.monotonic()) < ends_s:
            status = await _status(pool, head, picture)
            took_s = time.monotonic() - started_s
            waits_s.append(took_s)
            if status == _OK:
                answered_s.append(took_s)
            else:
                refused[str(status)] += 1
                await asyncio.sleep(_AFTER_A_FAILURE_S)
            if number < FRESH:
                pool.close()
            if pace_s > took_s:
                await asyncio.sleep(pace_s - took_s)
        pool.close()

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return GoodFigures(
        requests=len(waits_s),
        refused=dict(refused),
        per_s=len(answered_s) / seconds,
        p50_ms=1000 * percentile(answered_s, 0.5),
        p99_ms=1000 * percentile(answered_s, 0.99),
        max_ms=1000 * max(waits_s, default=0.0),
    )


async def _status(pool: HttpPool, head: bytes, body: bytes) -> int:
    try:
        async with asyncio.timeout(GIVE_UP_S):
            return (await pool.ask(head, body)).status
    except TimeoutError:
        return -1
    except UnreachableError:
        return 0


class GoodClients:
    """A process of good clients that asks a server for some seconds.

    Args:
        server: that is asked.
        seconds: length of the run.
        pace_ms: shortest time from one request of a client to its next.
        model: that inspects.
        picture: file of the picture that is posted; that of `benchmarks/peers` if None.
    """

    def __init__(
        self,
        server: Server,
        seconds: float,
        *,
        pace_ms: float = 0.0,
        model: str = MODEL,
        picture: Path | None = None,
    ) -> None:
        picture = picture or bench_places().picture(256)
        options: Sequence[object] = (
            server.address.host, server.address.port, f"/v1/models/{model}/inspect", picture,
            seconds, pace_ms,
        )  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.good_clients", *map(str, options)],
            stdout=subprocess.PIPE,
        )

    def figures(self) -> GoodFigures:
        """Wait for its end and read its figures."""
        text, _ = self._process.communicate()
        return GoodFigures(**json.loads(text))


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser()
    for name, kind in (("host", str), ("port", int), ("path", str), ("picture", Path)):
        parser.add_argument(name, type=kind)
    parser.add_argument("seconds", type=float)
    parser.add_argument("pace_ms", type=float)
    given = parser.parse_args()
    figures = uvloop.run(
        ask_for(
            Address(given.host, given.port, tls=False, path=""),
            given.path,
            given.picture.read_bytes(),
            seconds=given.seconds,
            pace_s=given.pace_ms / 1000,
        )
    )
    print(json.dumps(asdict(figures)))


if __name__ == "__main__":
    main()
