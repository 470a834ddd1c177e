"""What a repository tells the audit log of: changes that were made beside the server."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from takt.core.bundles.bundle import MANIFEST
from takt.core.bundles.thresholds import OVERRIDES
from takt.core.engines.fake import FakeEngine
from takt.core.inspection.inference import Pools
from takt.observing.instruments.metrics import Metrics
from takt.recording.audit.entry import FILE, FOLDER, SERVER, Change
from takt.repository.activation import ACTIVE, FIRST, UNDECIDED
from takt.repository.context import version_context
from takt.repository.folder_watch import FolderWatch
from takt.repository.repository import ModelRepository
from takt.settings import Settings


class Noticing:
    """A repository that is looked at, and what was noticed."""

    def __init__(self, repository: ModelRepository, watch: FolderWatch) -> None:
        self.repository = repository
        self.changes: list[Change] = []
        self._watch = watch

    async def look(self) -> list[tuple[str, str, str | None]]:
        """Look until whatever has changed is taken; who did what to which version."""
        self.changes.clear()
        for _ in range(3):
            await self._watch.poll()
        return [(one.who, one.action, one.version) for one in self.changes]


@pytest.fixture
def noticing(repository: Path) -> Callable[[], AsyncIterator[Noticing]]:
    @asynccontextmanager
    async def run() -> AsyncIterator[Noticing]:
        with ThreadPoolExecutor(1) as threads:
            told: list[Change] = []
            context = version_context(
                Settings(repository=repository),
                Pools(threads, threads, 1),
                Metrics(),
                lambda _: FakeEngine(),
                noticed=told.append,
            )
            models = ModelRepository(repository, context)
            found = Noticing(models, FolderWatch(repository, models, 0.2))
            found.changes = told
            await models.load()
            try:
                yield found
            finally:
                await models.close(10)

    return run


async def test_what_stays_as_it_is_is_not_told(noticing, make_bundle) -> None:
    bundle = make_bundle()
    async with noticing() as found:
        assert await found.look() == []
        os.utime(bundle.path / MANIFEST, ns=(1, 1))
        assert await found.look() == []


async def test_a_new_model_comes_and_its_first_version_is_active_by_itself(
    noticing, make_bundle
) -> None:
    make_bundle()
    async with noticing() as found:
        nuts = make_bundle("nuts")
        assert await found.look() == [
            (FOLDER, "version_added", "1"),
            (SERVER, "version_activated", "1"),
        ]
        added, activated = found.changes
        assert added.new == {"digest": nuts.digest, "image": 0.5, "pixel": 0.5, "undecided": False}
        assert (activated.old, activated.new, activated.reason) == (None, {"active": "1"}, FIRST)


async def test_a_decision_that_is_written_or_taken_back_beside_the_server_is_told(
    noticing, make_bundle, repository: Path
) -> None:
    for version in ("1", "2"):
        make_bundle(version=version)
    decision = {"active": "1", "previous": "2", "activated_at": "now", "reason": "by copy"}
    file = repository / "parts" / ACTIVE
    async with noticing() as found:
        file.write_text(json.dumps(decision))
        assert await found.look() == [(FILE, "version_activated", "1")]
        (change,) = found.changes
        assert (change.old, change.reason) == ({"active": "2"}, "by copy")
        file.write_text(json.dumps(decision | {"reason": "another"}))
        assert await found.look() == []
        file.unlink()
        assert await found.look() == [(FILE, "version_activated", "2")]
        assert found.changes[0].reason == UNDECIDED


async def test_what_requests_decide_is_told_by_the_routes_alone(noticing, make_bundle) -> None:
    for version in ("1", "2"):
        make_bundle(version=version)
    async with noticing() as found:
        await found.repository.model("parts").activate("1")
        loaded = found.repository.get("parts").check_ready()
        loaded.thresholds.change(image=0.9, pixel=None, reason="lamp")
        assert await found.look() == []


async def test_a_changed_version_that_cannot_be_served_is_not_told_as_served(
    noticing, make_bundle
) -> None:
    bundle = make_bundle()
    async with noticing() as found:
        (bundle.path / MANIFEST).write_text("{}")
        assert await found.look() == []


async def test_a_threshold_that_is_set_and_removed_beside_the_server_is_told(
    noticing, make_bundle
) -> None:
    bundle = make_bundle()
    override = {"pixel": {"value": 0.7, "set_at": "2026-01-01T00:00:00Z", "reason": "by hand"}}
    async with noticing() as found:
        (bundle.path / OVERRIDES).write_text(json.dumps(override))
        assert await found.look() == [(FILE, "threshold_changed", "1")]
        (change,) = found.changes
        assert (change.old, change.new, change.reason) == (
            {"image": 0.5, "pixel": 0.5, "undecided": False},
            {"image": 0.5, "pixel": 0.7, "undecided": False},
            "by hand",
        )
        (bundle.path / OVERRIDES).unlink()
        assert await found.look() == [(FILE, "threshold_changed", "1")]
        assert found.changes[0].new == {"image": 0.5, "pixel": 0.5, "undecided": False}
