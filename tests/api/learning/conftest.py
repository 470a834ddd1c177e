"""An app that learns by a command of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.learning.jobs import desk_of
from tests.fake_learn import FIT, PLAN, RESULT, learning, place

USUAL = learning(PLAN, place(), FIT, RESULT)


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def serve_learning(serve: Callable[..., Any], data_folder: Path) -> Callable[..., Any]:
    """`serve` with a data folder, and a command that stands for `takt learn`."""

    @asynccontextmanager
    async def run(
        command: Sequence[str] = USUAL, **options: Any
    ) -> AsyncIterator[httpx.AsyncClient]:
        async with serve(data_folder=data_folder, **options) as client:
            desk_of(client).command = command
            yield client

    return run
