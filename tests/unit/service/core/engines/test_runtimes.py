"""A runtime is one file and one line."""

from __future__ import annotations

import pytest

from takt.commands.tune.candidates import engines_of
from takt.core.bundles.bundle import Bundle
from takt.core.domain import InspectOptions, RawPicture
from takt.core.engines.fake import FakeEngine
from takt.core.engines.options import EngineOptions, EnginePlan
from takt.core.engines.runtimes import RUNTIMES, Runtime
from takt.core.inspection.opened import opened


class MadeUp(FakeEngine):
    description = "made up, on nothing"


async def grey() -> RawPicture:
    return RawPicture(bytes([51]) * 64 * 48, width=64, height=48, format="mono8")


async def test_a_runtime_that_is_listed_is_opened_checked_and_measured(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[EnginePlan] = []

    def open_made_up(plan: EnginePlan, options: EngineOptions) -> MadeUp:
        plans.append(plan)
        return MadeUp()

    monkeypatch.setitem(RUNTIMES, "made-up", Runtime("made-up", "cpu", open_made_up))

    async with opened(bundle.path, EngineOptions(engine="made-up", engine_threads=3)) as model:
        inspection = await model.inspect(grey, InspectOptions(timeout_s=30.0))

    assert inspection.verdict.score == pytest.approx(0.2)
    assert [(plan.engine, plan.threads, plan.model) for plan in plans] == [
        ("made-up", 3, bundle.model_path)
    ]
    assert "made-up" in engines_of(bundle)
