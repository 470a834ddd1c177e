"""Workers of one server, in one process, on fake engines."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from takt.recording.record import Record, open_record
from takt.settings import Settings
from tests.linked import Worker, working_together

ServeTogether = Callable[..., AbstractAsyncContextManager[tuple[Worker, ...]]]


@pytest.fixture
def settings(bundle: Bundle, repository: Path, tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a server of workers, which looks at its folder when it is asked to."""

    def make(**given: Any) -> Settings:
        usual: dict[str, Any] = {
            "repository": repository,
            "allowed_hosts": "takt",
            "repository_poll_s": 0,
            "data_folder": tmp_path / "data",
        }
        return Settings(**{**usual, **given})

    return make


@pytest.fixture
def new_record(tmp_path: Path) -> Callable[[], Record]:
    """The record of the server, opened once more."""

    def make() -> Record:
        record = open_record(tmp_path / "data", "sqlite")
        assert record is not None
        return record

    return make


@pytest.fixture
def serve_together(
    settings: Callable[..., Settings], new_record: Callable[[], Record]
) -> ServeTogether:
    """`async with serve_together() as (leader, other):` workers whose models are loaded."""

    def serve(
        workers: int = 2, *, open_engine: Any = None, recorded: bool = False, **given: Any
    ) -> AbstractAsyncContextManager[tuple[Worker, ...]]:
        opened = open_engine or (lambda _: FakeEngine())
        records = new_record if recorded else None
        return working_together(settings(**given), workers, opened, records)

    return serve
