"""How workers are replaced."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import AsyncMock, Mock

import pytest

from takt.server.workers.supervisor import WorkerSupervisor
from takt.settings import Settings
from tests.unit.service.server.workers.test_acceptor import Told

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("leading", [0, 1, 2])
async def test_the_worker_that_leads_is_replaced_last_so_that_its_work_is_handed_on_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leading: int
) -> None:
    settings = Settings(repository=tmp_path, workers=3)
    supervisor = WorkerSupervisor(settings, Mock(), lambda: settings)
    supervisor._nursery = AsyncMock()
    supervisor._members = members = [Told(number) for number in range(3)]
    members[leading].leads = True
    replaced: list[int] = []

    async def replace(slot: int) -> bool:
        replaced.append(slot)
        return True

    monkeypatch.setattr(supervisor, "_open_nursery", AsyncMock())
    monkeypatch.setattr(supervisor, "_replace", replace)
    await supervisor._reload()

    assert sorted(replaced) == [0, 1, 2]
    assert replaced[-1] == leading
    for member in members:
        member.end()
