import asyncio
import errno
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from service.bundles.bundle import MANIFEST
from service.bundles.thresholds import OVERRIDES, DeployedThresholds
from service.engines.fake import FakeEngine
from service.engines.golden import BatchDrift, check_golden
from service.inspection.inference import Pools
from service.observing.metrics import Metrics
from service.repository.activation import (
    ACTIVE,
    WAITING,
    Activation,
    keep_activation,
    read_activation,
)
from service.repository.context import version_context
from service.repository.folder_watch import FolderWatch
from service.repository.repository import ModelRepository
from service.settings import Settings
from tests.manifests import rewrite_manifest


@dataclass
class Watched:
    repository: ModelRepository
    watch: FolderWatch
    engines: list[FakeEngine]
    metrics: Metrics

    async def look(self, times: int = 2) -> None:
        for _ in range(times):
            await self.watch.poll()

    @property
    def versions(self) -> dict[str, str]:
        return {f"{m.name}/{m.version}": m.state for m in self.repository}

    @property
    def active(self) -> str:
        return self.repository.get("parts").version

    @property
    def thresholds(self) -> DeployedThresholds:
        return self.repository.get("parts").check_ready().thresholds

    @property
    def exposed(self) -> str:
        return generate_latest(self.metrics.registry).decode()


@pytest.fixture
def watched(repository: Path) -> Callable[[], AsyncIterator[Watched]]:
    @asynccontextmanager
    async def run() -> AsyncIterator[Watched]:
        engines: list[FakeEngine] = []

        def open_fake(_: object) -> FakeEngine:
            engines.append(FakeEngine())
            return engines[-1]

        settings = Settings(repository=repository)
        with ThreadPoolExecutor(1) as threads:
            metrics = Metrics()
            pools = Pools(threads, threads, 1)
            models = ModelRepository(
                repository, version_context(settings, pools, metrics, open_fake)
            )
            watch = FolderWatch(repository, models, 0.2)
            await models.load()
            try:
                yield Watched(models, watch, engines, metrics)
            finally:
                await models.close(10)

    return run


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


async def test_a_later_version_loads_once_it_has_settled_and_waits_for_its_activation(
    watched, make_bundle
) -> None:
    make_bundle()

    async with watched() as found:
        make_bundle(version="2")
        await found.look(1)
        assert found.versions == {"parts/1": "ready"}
        await found.look(1)
        assert found.versions == {"parts/1": "ready", "parts/2": "ready"}
        assert found.active == "1"
        assert (await found.repository.model("parts").activate("2")).previous == "1"
        assert found.active == "2"


async def test_a_models_first_version_becomes_active_by_itself_and_leaves_no_decision(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle()

    async with watched() as found:
        make_bundle("nuts", "7")
        await found.look()
        assert found.repository.get("nuts").version == "7"
        assert not (repository / "nuts" / ACTIVE).exists()


async def test_a_version_that_waits_does_not_become_active_by_a_restart(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle()

    async with watched() as found:
        make_bundle(version="2")
        await found.look()
        kept = read_activation(repository / "parts")
        assert kept is not None
        assert (kept.active, kept.previous, kept.reason) == ("1", None, WAITING)
        assert found.repository.model("parts").previous is None
        assert 'takt_model_activations_total{model="parts"} 0.0' in found.exposed
    async with watched() as found:
        assert found.active == "1"


async def test_a_folder_that_cannot_keep_what_is_active_is_told_once_and_followed_on(
    watched, make_bundle, repository: Path, monkeypatch, caplog
) -> None:
    make_bundle()

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    async with watched() as found:
        with monkeypatch.context() as patch:
            patch.setattr("service.repository.activation.write_atomically", refuse)
            make_bundle(version="2")
            await found.look(4)
        assert found.active == "1"
        assert caplog.text.count("is active until the next start only") == 1
        keep_activation(repository / "parts", Activation.now("2", "1", None))
        await found.look(1)
        assert found.active == "2"


async def test_a_version_that_drifts_does_not_step_in(watched, make_bundle) -> None:
    make_bundle()

    async with watched() as found:
        make_bundle(version="2", trained=0.5)
        await found.look()
        assert found.versions == {"parts/1": "ready", "parts/2": "failed"}
        assert found.active == "1"
        assert found.repository.ready


async def test_where_somebody_has_decided_a_higher_version_waits(watched, make_bundle) -> None:
    make_bundle()
    make_bundle(version="2")

    async with watched() as found:
        await found.repository.model("parts").activate("1")
        make_bundle(version="3")
        await found.look()
        assert found.active == "1"
        await found.repository.model("parts").activate("3")
        assert found.active == "3"


async def test_a_new_model_is_served_and_the_server_stays_ready_meanwhile(
    watched, make_bundle
) -> None:
    make_bundle()

    async with watched() as found:
        make_bundle("bolts", trained=0.5)
        await found.look()
        assert found.repository.ready
        assert not found.repository.knows("bolts")
        make_bundle("nuts")
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


async def test_a_threshold_that_was_set_loads_nothing_anew(watched, make_bundle) -> None:
    first = make_bundle()

    async with watched() as found:
        before = found.repository.get("parts")
        (first.path / OVERRIDES).write_text("{}")
        await found.look()
        assert found.repository.get("parts") is before


async def test_a_version_whose_folder_is_gone_is_let_go(watched, make_bundle) -> None:
    first = make_bundle()
    make_bundle(version="2")

    async with watched() as found:
        shutil.rmtree(first.path)
        await found.look(1)
        assert found.versions == {"parts/1": "ready", "parts/2": "ready"}
        await found.look(1)
        assert found.versions == {"parts/2": "ready"}
        await until(lambda: found.engines[0].closed)


async def test_the_active_version_goes_on_from_memory_when_its_folder_is_gone(
    watched, make_bundle, caplog
) -> None:
    make_bundle()
    second = make_bundle(version="2")

    async with watched() as found:
        shutil.rmtree(second.path)
        await found.look(3)
        assert found.active == "2"
        assert found.repository.ready
        assert caplog.text.count("goes on from memory") == 1
        await found.repository.model("parts").activate("1")
        await found.look(1)
        assert found.versions == {"parts/1": "ready"}


async def test_a_model_whose_folder_is_gone_is_let_go(watched, make_bundle) -> None:
    make_bundle()
    bolts = make_bundle("bolts")

    async with watched() as found:
        shutil.rmtree(bolts.path.parent)
        await found.look(2)
        assert not found.repository.knows("bolts")
        assert found.versions == {"parts/1": "ready"}


async def test_a_version_that_was_missing_at_the_start_is_served_once_it_is_there(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle("other")
    make_bundle()
    keep_activation(repository / "parts", Activation.now("1", None, None))
    shutil.move(repository / "parts" / "1", repository / ".away")
    async with watched() as found:
        assert found.versions == {"other/1": "ready", "parts/1": "failed"}
        assert not found.repository.ready
        await found.look()
        assert found.versions == {"other/1": "ready", "parts/1": "failed"}
        shutil.move(repository / ".away", repository / "parts" / "1")
        await found.look(3)
        assert found.versions == {"other/1": "ready", "parts/1": "ready"}
        assert found.repository.ready


async def test_a_model_without_a_version_is_let_go_with_its_folder(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle("other")
    (repository / "parts").mkdir()
    keep_activation(repository / "parts", Activation.now("1", None, None))
    async with watched() as found:
        assert found.repository.names == ("other", "parts")
        assert not found.repository.ready
        shutil.rmtree(repository / "parts")
        await found.look()
        assert found.repository.names == ("other",)
        assert found.repository.ready


async def test_a_repository_that_is_out_of_reach_takes_nothing_away(
    watched, make_bundle, repository: Path, caplog
) -> None:
    make_bundle()

    async with watched() as found:
        repository.rename(repository.with_name("away"))
        await found.look(3)
        assert found.active == "1"
        assert found.repository.ready
        assert caplog.text.count("the models stay as they are") == 1


async def test_what_one_server_activates_another_on_the_same_folder_follows(
    watched, make_bundle
) -> None:
    make_bundle()
    make_bundle(version="2")

    async with watched() as one, watched() as other:
        await one.repository.model("parts").activate("1")
        await other.look(1)
        assert other.active == "1"
        await other.repository.model("parts").roll_back()
        await one.look(1)
        assert one.active == "2"


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


async def test_a_decision_for_a_version_that_is_still_coming_is_followed_when_it_is_there(
    watched, make_bundle, repository: Path, caplog
) -> None:
    make_bundle()

    async with watched() as found:
        keep_activation(repository / "parts", Activation.now("3", "1", None))
        await found.look(2)
        assert found.active == "1"
        assert caplog.text.count("parts stays as it is") == 1
        make_bundle(version="3")
        await found.look(2)
        assert found.active == "3"


async def test_where_the_decision_is_taken_back_the_highest_version_answers(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle()
    make_bundle(version="2")

    async with watched() as found:
        await found.repository.model("parts").activate("1")
        (repository / "parts" / ACTIVE).unlink()
        await found.look(1)
        assert found.active == "2"
        assert found.repository.model("parts").decision is None


async def test_a_decision_that_cannot_be_read_changes_nothing(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle()
    make_bundle(version="2")

    async with watched() as found:
        await found.repository.model("parts").activate("1")
        (repository / "parts" / ACTIVE).write_text("{")
        await found.look(1)
        assert found.active == "1"


async def test_an_activation_is_not_undone_by_a_look_at_the_same_time(watched, make_bundle) -> None:
    make_bundle()
    make_bundle(version="2")

    async with watched() as found:
        found.engines[0].gate.clear()
        found.engines[0].batch_sizes.clear()
        activating = asyncio.create_task(found.repository.model("parts").activate("1"))
        await until(lambda: bool(found.engines[0].batch_sizes))
        looking = asyncio.create_task(found.watch.poll())
        for _ in range(100):
            await asyncio.sleep(0)
        found.engines[0].gate.set()
        await activating
        assert found.active == "1"
        await looking
        assert found.active == "1"
        assert found.repository.model("parts").decision is not None


async def test_what_a_read_only_folder_could_not_keep_holds_while_it_is_watched(
    watched, make_bundle, monkeypatch
) -> None:
    make_bundle()
    make_bundle(version="2")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("service.repository.activation.write_atomically", refuse)
    monkeypatch.setattr("service.bundles.thresholds.write_atomically", refuse)

    async with watched() as found:
        assert not (await found.repository.model("parts").activate("1")).persisted
        found.thresholds.change(image=0.7, pixel=None, reason=None)
        await found.look()
        assert found.active == "1"
        assert found.thresholds.in_force.image == 0.7


async def test_after_a_version_that_had_failed_is_activated_a_rollback_goes_back(
    watched, make_bundle
) -> None:
    make_bundle()

    async with watched() as found:
        second = make_bundle(version="2")
        manifest = second.path / MANIFEST
        whole = manifest.read_bytes()
        manifest.write_bytes(b"{}")
        await found.look()
        assert found.versions["parts/2"] == "failed"
        manifest.write_bytes(whole)
        assert (await found.repository.model("parts").activate("2")).previous == "1"
        await found.repository.model("parts").roll_back()
        assert found.active == "1"


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


def held_check(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """What opens from now on is checked once the event is set."""
    go_on = threading.Event()

    def wait_then_check(*args: Any) -> BatchDrift:
        go_on.wait()
        return check_golden(*args)

    monkeypatch.setattr("service.repository.supervision.engine_room.check_golden", wait_then_check)
    return go_on


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


async def test_a_new_model_whose_decision_cannot_be_read_is_served_once_that_is_mended(
    watched, make_bundle, repository: Path, caplog
) -> None:
    make_bundle()

    async with watched() as found:
        make_bundle("nuts")
        (repository / "nuts" / ACTIVE).write_text("{")
        make_bundle("washers")
        await found.look(3)
        assert found.repository.knows("washers")
        assert not found.repository.knows("nuts")
        assert caplog.text.count("correct it, or delete it") == 1
        (repository / "nuts" / ACTIVE).unlink()
        await found.look(1)
        assert found.repository.knows("nuts")


async def test_bad_thresholds_of_one_version_do_not_keep_a_decision_from_being_followed(
    watched, make_bundle, repository: Path
) -> None:
    first = make_bundle()
    make_bundle(version="2")
    make_bundle(version="3")

    async with watched() as found:
        (first.path / OVERRIDES).write_text("{")
        keep_activation(repository / "parts", Activation.now("2", "3", None))
        await found.look(1)
        assert found.active == "2"


async def test_a_link_to_nothing_does_not_stop_the_watch(watched, make_bundle) -> None:
    first = make_bundle()

    async with watched() as found:
        (first.path / "notes.txt").symlink_to("/nowhere")
        make_bundle("nuts")
        await found.look()
        assert found.repository.knows("nuts")


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


async def test_a_folder_that_is_away_for_a_moment_is_served_on(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle()

    async with watched() as found:
        make_bundle("nuts")
        await found.look()
        away = repository / ".parts"
        (repository / "parts").rename(away)
        await found.look(1)
        assert found.repository.get("parts").ready
        away.rename(repository / "parts")
        await found.look(2)
        assert found.repository.get("parts").ready
        assert len(found.engines) == 2


async def test_another_name_of_a_version_is_no_version(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle()
    (repository / "parts" / "latest").symlink_to("1")

    async with watched() as found:
        assert found.versions == {"parts/1": "ready"}


async def test_one_model_that_hangs_does_not_keep_others_from_being_followed(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle()
    make_bundle(version="2")
    make_bundle("nuts")

    async with watched() as found:
        names = [f"{model.name}/{model.version}" for model in found.repository]
        hung = found.engines[names.index("parts/1")]
        hung.gate.clear()
        keep_activation(repository / "parts", Activation.now("1", "2", None))
        make_bundle("nuts", "2")
        keep_activation(repository / "nuts", Activation.now("2", "1", None))
        await found.look(3)
        assert found.repository.get("nuts").version == "2"
        assert found.active == "2"
        hung.gate.set()
        await until(lambda: found.active == "1")
