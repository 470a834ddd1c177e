"""Versions and models that come to a repository, and go."""

import asyncio
import shutil
from pathlib import Path

import pytest

from takt.repository import folder_watch
from takt.repository.activation import (
    ACTIVE,
    Activation,
    keep_activation,
)
from takt.repository.versions import Found
from tests.unit.service.repository.watched import until


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


@pytest.mark.parametrize("polling", [False, True])
async def test_nobody_waits_for_a_look_where_nobody_looks_any_more(
    watched, make_bundle, monkeypatch: pytest.MonkeyPatch, polling: bool
) -> None:
    make_bundle()
    begun = asyncio.Event()

    async def poll() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with watched() as found:
        if not polling:
            found.repository.loaded.clear()
        monkeypatch.setattr(found.watch, "poll", poll)
        running = asyncio.create_task(found.watch.run())
        looking = asyncio.create_task(found.watch.look_here())
        await (begun.wait() if polling else asyncio.sleep(0))
        running.cancel()
        async with asyncio.timeout(60):
            await looking
            await found.watch.look_here()


async def test_a_models_first_version_becomes_active_by_itself_and_leaves_no_decision(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle()

    async with watched() as found:
        make_bundle("nuts", "7")
        await found.look()
        assert found.repository.get("nuts").version == "7"
        assert not (repository / "nuts" / ACTIVE).exists()


async def test_a_version_that_drifts_does_not_step_in_and_is_not_said_to_wait(
    watched, make_bundle, caplog: pytest.LogCaptureFixture
) -> None:
    make_bundle()

    caplog.set_level("INFO", "takt")
    async with watched() as found:
        make_bundle(version="2", trained=0.5)
        await found.look()
        assert found.versions == {"parts/1": "ready", "parts/2": "failed"}
        assert found.active == "1"
        assert found.repository.ready
    assert "waits for its activation" not in caplog.text


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
        assert [one.spoilt for one in found.repository] == [False, True]
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


async def test_a_link_to_nothing_does_not_stop_the_watch(watched, make_bundle) -> None:
    first = make_bundle()

    async with watched() as found:
        (first.path / "notes.txt").symlink_to("/nowhere")
        make_bundle("nuts")
        await found.look()
        assert found.repository.knows("nuts")


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


async def test_a_bundle_whose_folder_is_no_version_is_told_of_once_and_not_served(
    watched, make_bundle, repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_bundle()
    make_bundle(version="old")

    async with watched() as found:
        make_bundle(version="v2")
        await found.look(3)
        assert found.versions == {"parts/1": "ready"}
    told = [one.getMessage() for one in caplog.records if "is no version" in one.getMessage()]
    assert [message.partition(":")[0] for message in told] == [
        f"{repository / 'parts' / name} is not served, as '{name}' is no version"
        for name in ("old", "v2")
    ]
    assert "a number such as 1, or a semantic version such as 2.0.0" in told[0]


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


def test_a_version_that_goes_while_the_folder_is_looked_at_hides_no_other(
    make_bundle, repository: Path, monkeypatch
) -> None:
    here, gone = make_bundle().path, repository / "parts" / "2"
    monkeypatch.setattr(folder_watch, "look", lambda *_, **__: Found([here, gone], []))

    assert list(folder_watch.scan(repository)[0]) == [here]
