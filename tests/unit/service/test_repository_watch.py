import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.active import ACTIVE, decide, keep_activation
from service.app import repository_options
from service.bundle import MANIFEST
from service.engines.fake import FakeEngine
from service.metrics import Metrics
from service.opening import opener_of
from service.pipeline import Pools
from service.repository import ModelRepository
from service.repository_watch import RepositoryWatch
from service.settings import Settings
from service.thresholds import OVERRIDES


@dataclass
class Watched:
    repository: ModelRepository
    watch: RepositoryWatch
    engines: list[FakeEngine]

    async def look(self, times: int = 2) -> None:
        for _ in range(times):
            await self.watch.look()

    @property
    def versions(self) -> dict[str, str]:
        return {f"{m.name}/{m.version}": m.state for m in self.repository}

    @property
    def active(self) -> str:
        return self.repository.get("parts").version


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
            models = ModelRepository(
                repository,
                repository_options(settings),
                opener_of(settings, open_fake),
                Pools(threads, threads, 1),
                Metrics(),
            )
            watch = RepositoryWatch(repository, models, 1.0)
            await models.load()
            try:
                yield Watched(models, watch, engines)
            finally:
                await models.close(10)

    return run


def run(test: Callable[[], object]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await test()  # type: ignore[misc]

    asyncio.run(limited())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_a_higher_version_that_comes_steps_in_once_it_has_settled(watched, make_bundle) -> None:
    make_bundle()

    async def test() -> None:
        async with watched() as found:
            make_bundle(version="2")
            await found.look(1)
            assert found.versions == {"parts/1": "ready"}
            await found.look(1)
            assert found.versions == {"parts/1": "ready", "parts/2": "ready"}
            assert found.active == "2"

    run(test)


def test_a_version_that_drifts_does_not_step_in(watched, make_bundle) -> None:
    make_bundle()

    async def test() -> None:
        async with watched() as found:
            make_bundle(version="2", trained=0.5)
            await found.look()
            assert found.versions == {"parts/1": "ready", "parts/2": "failed"}
            assert found.active == "1"
            assert found.repository.ready

    run(test)


def test_where_somebody_has_decided_a_higher_version_waits(watched, make_bundle) -> None:
    make_bundle()
    make_bundle(version="2")

    async def test() -> None:
        async with watched() as found:
            await found.repository.activate("parts", "1")
            make_bundle(version="3")
            await found.look()
            assert found.active == "1"
            await found.repository.activate("parts", "3")
            assert found.active == "3"

    run(test)


def test_a_new_model_is_served_and_the_server_stays_ready_meanwhile(watched, make_bundle) -> None:
    make_bundle()

    async def test() -> None:
        async with watched() as found:
            make_bundle("bolts", trained=0.5)
            await found.look()
            assert found.repository.ready
            assert not found.repository.knows("bolts")
            make_bundle("nuts")
            await found.look()
            assert found.repository.get("nuts").ready

    run(test)


def test_a_bundle_that_changed_takes_its_own_place(watched, make_bundle) -> None:
    first = make_bundle()

    async def test() -> None:
        async with watched() as found:
            before = found.repository.get("parts")
            manifest = first.path / MANIFEST
            manifest.write_bytes(manifest.read_bytes() + b"\n")
            await found.look()
            assert found.repository.get("parts") is not before
            assert found.repository.get("parts").ready
            await until(lambda: found.engines[0].closed)
            assert found.versions == {"parts/1": "ready"}

    run(test)


def test_a_bundle_that_was_spoilt_goes_on_as_it_was(watched, make_bundle, caplog) -> None:
    first = make_bundle()

    async def test() -> None:
        async with watched() as found:
            before = found.repository.get("parts")
            (first.path / MANIFEST).write_bytes(b"{}")
            await found.look()
            assert found.repository.get("parts") is before
            assert before.ready
            assert "parts 1 goes on as it was" in caplog.text

    run(test)


def test_a_threshold_that_was_set_loads_nothing_anew(watched, make_bundle) -> None:
    first = make_bundle()

    async def test() -> None:
        async with watched() as found:
            before = found.repository.get("parts")
            (first.path / OVERRIDES).write_text("{}")
            await found.look()
            assert found.repository.get("parts") is before

    run(test)


def test_a_version_whose_folder_is_gone_is_let_go(watched, make_bundle) -> None:
    first = make_bundle()
    make_bundle(version="2")

    async def test() -> None:
        async with watched() as found:
            shutil.rmtree(first.path)
            await found.look(1)
            assert found.versions == {"parts/2": "ready"}
            await until(lambda: found.engines[0].closed)

    run(test)


def test_the_active_version_goes_on_from_memory_when_its_folder_is_gone(
    watched, make_bundle, caplog
) -> None:
    make_bundle()
    second = make_bundle(version="2")

    async def test() -> None:
        async with watched() as found:
            shutil.rmtree(second.path)
            await found.look(3)
            assert found.active == "2"
            assert found.repository.ready
            assert caplog.text.count("goes on from memory") == 1
            await found.repository.activate("parts", "1")
            await found.look(1)
            assert found.versions == {"parts/1": "ready"}

    run(test)


def test_a_model_whose_folder_is_gone_is_let_go(watched, make_bundle) -> None:
    make_bundle()
    bolts = make_bundle("bolts")

    async def test() -> None:
        async with watched() as found:
            shutil.rmtree(bolts.path.parent)
            await found.look(1)
            assert not found.repository.knows("bolts")
            assert found.versions == {"parts/1": "ready"}

    run(test)


def test_a_repository_that_is_out_of_reach_takes_nothing_away(
    watched, make_bundle, repository: Path, caplog
) -> None:
    make_bundle()

    async def test() -> None:
        async with watched() as found:
            repository.rename(repository.with_name("away"))
            await found.look(3)
            assert found.active == "1"
            assert found.repository.ready
            assert caplog.text.count("the models stay as they are") == 1

    run(test)


def test_what_one_server_activates_another_on_the_same_folder_follows(watched, make_bundle) -> None:
    make_bundle()
    make_bundle(version="2")

    async def test() -> None:
        async with watched() as one, watched() as other:
            await one.repository.activate("parts", "1")
            await other.look(1)
            assert other.active == "1"
            await other.repository.roll_back("parts")
            await one.look(1)
            assert one.active == "2"

    run(test)


def test_a_threshold_that_is_set_on_one_server_holds_on_another(watched, make_bundle) -> None:
    make_bundle()

    async def test() -> None:
        async with watched() as one, watched() as other:
            ours = one.repository.get("parts").thresholds_to_change
            theirs = other.repository.get("parts").thresholds_to_change
            ours.change(image=0.7, pixel=None, reason="lamp")
            assert theirs.in_force.image == 0.5
            await other.look(1)
            assert theirs.in_force == ours.in_force
            assert theirs.origin("image").reason == "lamp"
            theirs.reset()
            await one.look(1)
            assert ours.in_force.image == 0.5

    run(test)


def test_a_decision_for_a_version_that_is_still_coming_is_followed_when_it_is_there(
    watched, make_bundle, repository: Path, caplog
) -> None:
    make_bundle()

    async def test() -> None:
        async with watched() as found:
            keep_activation(repository / "parts", decide("3", "1", None))
            await found.look(2)
            assert found.active == "1"
            assert caplog.text.count("parts stays on its version") == 1
            make_bundle(version="3")
            await found.look(2)
            assert found.active == "3"

    run(test)


def test_where_the_decision_is_taken_back_the_highest_version_answers(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle()
    make_bundle(version="2")

    async def test() -> None:
        async with watched() as found:
            await found.repository.activate("parts", "1")
            (repository / "parts" / ACTIVE).unlink()
            await found.look(1)
            assert found.active == "2"
            assert found.repository.decided("parts") is None

    run(test)


def test_a_decision_that_cannot_be_read_changes_nothing(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle()
    make_bundle(version="2")

    async def test() -> None:
        async with watched() as found:
            await found.repository.activate("parts", "1")
            (repository / "parts" / ACTIVE).write_text("{")
            await found.look(1)
            assert found.active == "1"

    run(test)
