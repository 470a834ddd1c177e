"""Inspections that a server on ONNX Runtime has recorded."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from takt.recording.record import Record
from takt.recording.search.stored import StoredInspection
from takt.settings import Settings
from tests.conftest import MakeBundle
from tests.replays import Outcome, record_pictures, replayed, stored_inspections


@dataclass(frozen=True)
class Recorded:
    """A record, and the settings of the server whose it is."""

    record: Record
    settings: Settings
    bundle: Path

    def inspections(self) -> list[StoredInspection]:
        """All of the record, the oldest first."""
        return stored_inspections(self.record)

    def replay(
        self, inspections: list[StoredInspection] | None = None, engine: str | None = None
    ) -> list[Outcome]:
        """Replay some, or all."""
        some = self.inspections() if inspections is None else inspections
        return replayed(self.record, some, self.settings, engine)


@pytest.fixture(scope="module")
def recorded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first test has recorded, for the others to copy."""
    return tmp_path_factory.mktemp("recorded") / "copy"


@pytest.fixture
def recorded(
    make_bundle: MakeBundle,
    repository: Path,
    sqlite_record: Record,
    picture_bytes: Callable[..., bytes],
    recorded_once: Path,
    tmp_path: Path,
) -> Recorded:
    """A reject with one region and a good part, whose pictures are kept."""
    settings = Settings(repository=repository, engine_threads=1, keep="sample=1")
    if recorded_once.exists():
        shutil.copytree(recorded_once, tmp_path, dirs_exist_ok=True)
    else:
        make_bundle()
        pictures = [picture_bytes(50, spot=200), picture_bytes(60)]
        asyncio.run(record_pictures(settings, sqlite_record, pictures))
        shutil.copytree(tmp_path, recorded_once)
    return Recorded(sqlite_record, settings, repository / "parts" / "1")
