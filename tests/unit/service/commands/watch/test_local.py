from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from takt.commands.watch.local import local_streams
from takt.commands.watch.streams import WatchOptions
from takt.core.engines.fake import FakeEngine
from takt.core.errors import ConfigurationError
from takt.settings import Settings
from takt.sources.capture import raw_picture
from takt.sources.pacing import Shot
from takt.streaming.evidence import VoteCount, VotingRule
from takt.streaming.outcomes import AnsweredFrame, DroppedFrame, FailedFrame

SETTINGS = Settings()


def shot(level: int) -> Shot:
    return Shot("x", 7, raw_picture(np.full((48, 64, 3), level, np.uint8)))


async def test_a_bundle_answers_shots_as_a_server_would(bundle, repository: Path) -> None:
    options = WatchOptions("all", vote=VotingRule(1, 2), smoothing=0.5, overlays=True)

    async with (
        local_streams(repository / "parts" / "1", SETTINGS) as open_stream,
        open_stream(options) as stream,
    ):
        await stream.send(shot(50))
        await stream.send(Shot("bad", 0, b"no picture"))
        await stream.finish()
        answer, failed = [outcome async for outcome in stream.outcomes()]
    assert isinstance(answer, AnsweredFrame)
    assert answer.captured_us == 7
    assert answer.inspection.verdict.score == pytest.approx(50 / 255, abs=1e-3)
    assert answer.vote == VoteCount(False, 0, 1)
    assert answer.inspection.heatmap is not None
    assert answer.inspection.heatmap.kind == "overlay"
    assert isinstance(failed, FailedFrame)
    assert (failed.sequence, failed.code) == (1, "invalid_image")


async def test_latest_drops_while_the_engine_is_busy(bundle, repository: Path) -> None:
    engines: list[FakeEngine] = []

    def open_engine(_: object) -> FakeEngine:
        engines.append(FakeEngine())
        return engines[-1]

    options = WatchOptions("latest")

    folder = repository / "parts" / "1"
    async with (
        local_streams(folder, SETTINGS, open_engine) as open_stream,
        open_stream(options) as stream,
    ):
        engines[0].gate.clear()
        outcomes = stream.outcomes()
        await stream.send(shot(50))
        await stream.send(shot(50))
        await stream.send(shot(50))
        assert await anext(outcomes) == DroppedFrame(1, 1)
        engines[0].gate.set()
        await stream.finish()
        assert [outcome.sequence async for outcome in outcomes] == [0, 2]
    assert engines[0].closed


async def test_a_bundle_that_cannot_be_run_is_told_at_once(bundle, repository: Path) -> None:
    folder = repository / "parts" / "1"
    (folder / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(ConfigurationError, match=r"cannot be run: .*export it again"):
        async with local_streams(folder, SETTINGS):
            await asyncio.get_running_loop().create_future()


async def test_several_streams_share_a_bundle_that_is_loaded_once(bundle, repository: Path) -> None:
    engines: list[FakeEngine] = []

    def open_engine(_: object) -> FakeEngine:
        engines.append(FakeEngine())
        return engines[-1]

    folder = repository / "parts" / "1"
    async with local_streams(folder, SETTINGS, open_engine) as open_stream:
        opened = len(engines)
        async with (
            open_stream(WatchOptions("all")) as left,
            open_stream(WatchOptions("all", vote=VotingRule(1, 2))) as right,
        ):
            for stream in (left, right):
                await stream.send(shot(50))
                await stream.finish()
            answers = [[outcome async for outcome in stream.outcomes()] for stream in (left, right)]
    assert len(engines) == opened
    for (answer,), voted in zip(answers, (False, True), strict=True):
        assert isinstance(answer, AnsweredFrame)
        assert (answer.vote is not None) is voted
