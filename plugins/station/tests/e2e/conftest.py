"""A server that judges the demo's plates."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from takt.commands.demo.serving import serving
from takt.commands.demo.shipped import MODEL, unpack
from takt_station.plant.box import BoxServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxServer]:
    folder = tmp_path_factory.mktemp("server")
    unpack(folder / "models")
    with serving(folder / "models", folder) as served:
        recipe = {"number": 1, "alpha": 0.02, "deadline_ms": 2000}
        body = {**recipe, "views": [{"name": "top", "model": MODEL}], "codes": ["PLATE-*"]}
        httpx.put(f"{served.url}/v1/recipes/plate", json=body).raise_for_status()
        yield BoxServer(served.url, served)
