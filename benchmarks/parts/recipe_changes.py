"""Recipes change while parts are inspected: does any part see half of each?

    python -m benchmarks.parts.recipe_changes --parts 20000

A server in this process, on a stub of an engine and with a record, is sent parts of two views, many
at a time, the views of a part in either order and often together. Meanwhile its recipe is saved
again and again, each time with thresholds that tell the revision: the revision is the whole number
that a view was judged by. A part whose views were judged by two revisions, or by another than its
answer names, has seen half of each. Ends with 1 if one did, or has not exactly one result.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from service.app import create_app
from service.core.bundles.bundle import Bundle, load_bundle
from service.core.domain import Batch
from service.core.engines.base import EngineOutput
from service.recording.record import open_record
from service.settings import Settings

MODELS = Path("examples/models")
VIEWS = ("top", "side")
URL = "/v1/recipes/bracket"


class Stub:
    """Answers every picture alike, at once.

    Args:
        bundle: whose golden answers it knows.
    """

    description = "stub"
    shareable = False

    def __init__(self, bundle: Bundle) -> None:
        self._golden = bundle.golden

    def infer(self, images: Batch) -> EngineOutput:
        """The golden answers to the golden inputs, and the first of them to all else."""
        golden = self._golden
        at = [
            next((n for n, one in enumerate(golden.images) if np.array_equal(one, image)), 0)
            for image in images
        ]
        return EngineOutput(golden.anomaly_map[at], golden.score[at])

    def trim(self) -> None:
        """Nothing is to be given back."""

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class Seen:
    """What clients saw.

    Attributes:
        judged: the revisions by which each part's views were judged, by the part.
        named: the revisions that the answers name, by the part.
        results: how many results each part got.
        codes: of refusals.
    """

    judged: dict[str, set[int]] = field(default_factory=dict)
    named: dict[str, set[int]] = field(default_factory=dict)
    results: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def halves(self) -> list[str]:
        """Parts that were judged by two revisions, or by another than was named."""
        return [
            part
            for part, judged in self.judged.items()
            if len(judged) != 1 or judged != self.named[part]
        ]


def recipe(revision: int) -> dict[str, Any]:
    """A recipe whose thresholds tell its revision."""
    thresholds = {"image": float(revision), "pixel": 1e30}
    views = [{"name": one, "model": "pitting", "thresholds": thresholds} for one in VIEWS]
    return {"number": 7, "deadline_ms": 60_000, "views": views}


async def inspect(client: httpx.AsyncClient, part: str, picture: bytes, seen: Seen) -> None:
    """Send the views of a part, in any order, and often at the same time."""

    async def send(view: str) -> None:
        path = f"/v1/parts/{part}/views/{view}?recipe=bracket"
        answer = await client.post(path, content=picture)
        body = answer.json()
        if answer.status_code != 200:
            seen.codes[body["code"]] += 1
            return
        seen.judged.setdefault(part, set()).add(round(body["inspection"]["threshold"]))
        seen.named.setdefault(part, set()).add(body["revision"])
        seen.results[part] += body["result"] is not None

    views = random.sample(VIEWS, len(VIEWS))
    if random.random() < 0.5:
        await asyncio.gather(*map(send, views))
    else:
        for view in views:
            await send(view)


async def run(parts: int, at_once: int, folder: Path) -> bool:
    """Inspect the parts while the recipe changes; gives whether all is well."""
    record = open_record(folder / "data", "sqlite")
    settings = Settings(
        repository=str(MODELS),
        allowed_hosts="takt",
        data_folder=folder / "data",
        repository_poll_s=0,
    )
    app = create_app(settings, Stub, record=record)
    picture = cv2.imencode(".png", np.full((32, 32, 3), 90, np.uint8))[1].tobytes()
    seen, numbers, revision = Seen(), iter(range(parts)), 0
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://takt", timeout=600) as client,
    ):
        async with asyncio.timeout(60):
            while (await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0.05)

        async def change() -> None:
            nonlocal revision
            answer = await client.put(URL, json=recipe(revision + 1))
            assert answer.status_code == 200, answer.text
            revision += 1
            assert answer.json()["recipe"]["revision"] == revision

        async def changing() -> None:
            while True:
                await change()

        async def line() -> None:
            for number in numbers:
                await inspect(client, f"P{number}", picture, seen)

        await change()
        began_s = time.perf_counter()
        changes = asyncio.create_task(changing())
        await asyncio.gather(*(line() for _ in range(at_once)))
        took_s = time.perf_counter() - began_s
        changes.cancel()
        await asyncio.wait([changes])
    of = Counter(next(iter(one)) for one in seen.judged.values())
    once = sum(count == 1 for count in seen.results.values())
    print(
        f"{len(seen.judged)} parts in {took_s:.0f} s, {at_once} at a time; {revision} revisions, "
        f"{len(of)} of which judged parts; {once} with exactly one result; "
        f"{len(seen.halves)} with half of each; refusals: {dict(seen.codes) or 'none'}"
    )
    well = len(seen.judged) == parts == once and not seen.halves and not seen.codes
    print("bar 4, recipe changes:", "met" if well else "MISSED")
    return well


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    random.seed(given.seed)
    assert load_bundle(MODELS / "pitting" / "1")
    with tempfile.TemporaryDirectory() as folder:
        raise SystemExit(not asyncio.run(run(given.parts, given.at_once, Path(folder))))


if __name__ == "__main__":
    main()
