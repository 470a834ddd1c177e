"""Good clients do not notice an attack: a short version of `python -m tests.hostile attacks`.

How long their requests take is measured there, and not here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.hostile.attacks import ATTACKS
from tests.hostile.bundle import MODEL, spotted_picture, write_bundle
from tests.hostile.good_clients import ask_for
from tests.hostile.server import Server, serve_command, started

SECONDS = 2.0
PACE_S = 0.05
DESCRIPTORS = 512


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    repository = tmp_path_factory.mktemp("hostile") / "models"
    write_bundle(repository)
    with started(serve_command(repository), descriptors=DESCRIPTORS) as running:
        yield running


@pytest.mark.parametrize("name", ["chunks", "headers", "slow"])
def test_no_good_request_is_refused_beside(name: str, server: Server) -> None:
    async def both() -> tuple[None, object]:
        ends_s = asyncio.get_running_loop().time() + SECONDS
        path = f"/v1/models/{MODEL}/inspect"
        good = ask_for(server.address, path, spotted_picture(), seconds=SECONDS, pace_s=PACE_S)
        seen: Counter[object] = Counter()
        return await asyncio.gather(ATTACKS[name](server.address, MODEL, ends_s, seen), good)

    _, figures = asyncio.run(both())

    assert figures.requests > 0
    assert figures.refused == {}
    assert server.status("/health/ready") == 200
