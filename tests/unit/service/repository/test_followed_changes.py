"""Bundles and thresholds that change while they are served, and the engines that go with them."""

import asyncio
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from takt.core.bundles.bundle import MANIFEST, Bundle, load_bundle
from takt.core.bundles.thresholds import OVERRIDES
from takt.core.engines.fake import FakeEngine
from takt.core.engines.golden import BatchDrift, check_golden
from takt.core.inspection.inference import Pools
from takt.observing.instruments.metrics import Metrics
from takt.repository.activation import Activation, keep_activation
from takt.repository.context import version_context
from takt.repository.repository import ModelRepository
from takt.settings import Settings
from tests.manifests import rewrite_manifest
from tests.unit.service.repository.watched import until


def held_check(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """What opens from now on is checked once the event is set."""
    go_on = threading.Event()

    def wait_then_check(*args: Any) -> BatchDrift:
        go_on.wait()
        return check_golden(*args)

    monkeypatch.setattr("takt.repository.supervision.engine_room.check_golden", wait_then_check)
    return go_on


class Short:
    """Has so many loads of bundles find no memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, loads: int) -> None:
        self.left, self.tried = loads, 0
        monkeypatch.setattr("takt.repository.model_version.load_bundle", self.load)

    def load(self, *given: Any) -> Bundle:
        self.tried += 1
        if self.tried <= self.left:
            raise MemoryError
        return load_bundle(*given)


async def test_an_active_version_that_found_no_memory_is_tried_again_each_time_later(
    watched, make_bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bundle()
    short = Short(monkeypatch, loads=2)

    async with watched() as found:
        for tried, pause_s in enumerate((10.0, 20.0), start=1):
            version = found.repository.get("parts")
            assert version.state == "failed"
            await found.look()
            assert short.tried == tried
            version.failed_s -= pause_s
            await found.look()
        assert short.tried == 3
        assert found.repository.get("parts").ready and found.repository.ready


async def test_a_changed_version_that_found_no_memory_is_tried_again_while_its_former_self_answers(
    watched, make_bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = make_bundle().path / MANIFEST
    async with watched() as found:
        before = found.repository.get("parts")
        short = Short(monkeypatch, loads=1)
        manifest.write_bytes(manifest.read_bytes() + b"\n")
        await found.look(3)
        assert found.repository.get("parts") is before and before.ready
        assert short.tried == 1
        before.failed_s -= 10.0
        await found.look()
        after = found.repository.get("parts")
        assert after is not before and after.ready
        await found.look()
        assert short.tried == 2


async def test_a_version_that_drifts_is_not_tried_again_by_itself(
    watched, make_bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bundle(trained=0.5)
    short = Short(monkeypatch, loads=0)
    async with watched() as found:
        monkeypatch.setattr("takt.repository.model._AGAIN_S", 0.0)
        await found.look(3)
        assert found.versions == {"parts/1": "failed"}
        assert short.tried == 1


async def test_only_what_nothing_answers_without_is_tried_again(
    watched, make_bundle, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1", "2"):
        make_bundle(version=version)
    keep_activation(repository / "parts", Activation.now("2", None, None))
    short = Short(monkeypatch, loads=1)

    async with watched() as found:
        failed = found.repository.get("parts", "1")
        assert found.versions == {"parts/1": "failed", "parts/2": "ready"}
        failed.failed_s -= 1e6
        await found.look()
        assert short.tried == 2

        # The first version of a new model is to answer as soon as it can.
        short.left, short.tried = 1, 0
        make_bundle("nuts")
        await found.look()
        (version,) = found.repository.versions_of("nuts")
        assert version.state == "failed"
        version.failed_s -= 10.0
        await found.look()
        assert found.repository.get("nuts").ready


async def test_a_bundle_that_changed_takes_its_own_place(watched, make_bundle) -> None:
    first = make_bundle()

    async with watched() as found:
        before = found.repository.get("parts")
        manifest = first.path / MANIFEST
        manifest.write_bytes(manifest.read_bytes() + b"\n")
        await found.look()
        assert found.repository.get("parts") is not before
        assert found.repository.get("parts").ready
        await until(lambda: found.engines[0].closed)
        assert found.versions == {"parts/1": "ready"}


async def test_a_bundle_that_was_spoilt_goes_on_as_it_was(watched, make_bundle, caplog) -> None:
    first = make_bundle()

    async with watched() as found:
        before = found.repository.get("parts")
        (first.path / MANIFEST).write_bytes(b"{}")
        await found.look()
        assert found.repository.get("parts") is before
        assert before.ready
        assert "parts 1 goes on as it was" in caplog.text
        assert before.spoilt
        assert "manifest.json" in before.reason


async def test_a_threshold_that_was_set_loads_nothing_anew(watched, make_bundle) -> None:
    first = make_bundle()

    async with watched() as found:
        before = found.repository.get("parts")
        (first.path / OVERRIDES).write_text("{}")
        await found.look()
        assert found.repository.get("parts") is before


async def test_a_threshold_that_is_set_on_one_server_holds_on_another(watched, make_bundle) -> None:
    make_bundle()

    async with watched() as one, watched() as other:
        ours = one.repository.get("parts").check_ready().thresholds
        theirs = other.repository.get("parts").check_ready().thresholds
        ours.change(image=0.7, pixel=None, reason="lamp")
        assert theirs.in_force.image == 0.5
        await other.look(1)
        assert theirs.in_force == ours.in_force
        assert theirs.origin("image").reason == "lamp"
        theirs.reset()
        await one.look(1)
        assert ours.in_force.image == 0.5


async def test_the_metrics_can_be_read_while_a_version_that_went_still_answers(
    watched, make_bundle
) -> None:
    first = make_bundle()
    make_bundle(version="2")

    async with watched() as found:
        found.engines[0].gate.clear()
        proving = asyncio.create_task(found.repository.get("parts", "1").prove())
        shutil.rmtree(first.path)
        await found.look()
        assert 'takt_model_ready{model="parts",version="1"} 0.0' in found.exposed
        found.engines[0].gate.set()
        await asyncio.gather(proving, return_exceptions=True)
        await until(lambda: 'version="1"' not in found.exposed)


async def test_an_engine_that_fails_to_close_leaves_no_figures_either(watched, make_bundle) -> None:
    first = make_bundle()
    make_bundle(version="2")

    def fail() -> None:
        raise RuntimeError("the driver is gone")

    async with watched() as found:
        found.engines[0].close = fail  # type: ignore[method-assign]
        shutil.rmtree(first.path)
        await found.look()
        await until(lambda: 'version="1"' not in found.exposed)


async def test_the_active_version_from_memory_keeps_its_thresholds(watched, make_bundle) -> None:
    make_bundle()
    second = make_bundle(version="2")

    async with watched() as found:
        found.thresholds.change(image=0.7, pixel=None, reason="lamp")
        shutil.rmtree(second.path)
        await found.look()
        assert found.active == "2"
        assert found.thresholds.in_force.image == 0.7


async def test_a_threshold_that_is_set_while_a_changed_bundle_loads_holds(
    watched, make_bundle, monkeypatch
) -> None:
    first = make_bundle()

    async with watched() as found:
        go_on = held_check(monkeypatch)
        bringing = asyncio.create_task(found.repository.load_version(first.path))
        await until(lambda: len(found.engines) == 2)
        found.thresholds.change(image=0.7, pixel=None, reason=None)
        go_on.set()
        await bringing
        await until(lambda: found.engines[0].closed)
        assert found.thresholds.in_force.image == 0.7
        assert 'takt_threshold{kind="image",model="parts",version="1"} 0.7' in found.exposed


async def test_an_engine_that_was_opened_for_a_change_is_closed_at_the_end(
    watched, make_bundle, monkeypatch
) -> None:
    first = make_bundle()

    async with watched() as found:
        go_on = held_check(monkeypatch)
        bringing = asyncio.create_task(found.repository.load_version(first.path))
        await until(lambda: len(found.engines) == 2)
        bringing.cancel()
        go_on.set()
        await asyncio.wait({bringing})
        engines = found.engines
    await until(lambda: [engine.closed for engine in engines] == [True, True])


async def test_an_engine_that_opens_after_the_end_is_closed(repository: Path, make_bundle) -> None:
    make_bundle()
    go_on, begun, engine = threading.Event(), threading.Event(), FakeEngine()

    def open_late(_: object) -> FakeEngine:
        begun.set()
        go_on.wait()
        return engine

    with ThreadPoolExecutor(1) as threads:
        context = version_context(
            Settings(repository=repository), Pools(threads, threads, 1), Metrics(), open_late
        )
        models = ModelRepository(repository, context)
        loading = asyncio.create_task(models.load())
        await until(begun.is_set)
        loading.cancel()
        await asyncio.wait({loading})
        await models.close(10)
        go_on.set()
        await until(lambda: engine.closed)


async def test_other_files_of_the_same_size_and_time_are_noticed(
    watched, make_bundle, repository: Path, tmp_path: Path
) -> None:
    """As layers of images and some build tools have them, behind a link that is swapped."""
    make_bundle()
    here, there = tmp_path / "a", tmp_path / "b"
    repository.rename(here)
    shutil.copytree(here, there)
    for place, image in ((here, 0.5), (there, 0.4)):
        rewrite_manifest(
            place / "parts" / "1",
            lambda manifest, to=image: manifest["thresholds"].update(image=to),
        )
    for file in [*here.rglob("*"), *there.rglob("*")]:
        os.utime(file, (1, 1))
    repository.symlink_to(here)

    async with watched() as found:
        assert found.thresholds.in_force.image == 0.5
        repository.unlink()
        repository.symlink_to(there)
        await found.look()
        assert found.thresholds.in_force.image == 0.4
