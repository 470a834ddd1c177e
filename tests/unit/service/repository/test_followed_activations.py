"""Decisions for a version, in the folder that servers share."""

import asyncio
import errno
from pathlib import Path

import pytest

from takt.core.bundles.bundle import MANIFEST
from takt.core.bundles.thresholds import OVERRIDES
from takt.repository.activation import (
    ACTIVE,
    WAITING,
    Activation,
    keep_activation,
    read_activation,
)
from tests.unit.service.repository.watched import until


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
            patch.setattr("takt.repository.activation.write_atomically", refuse)
            make_bundle(version="2")
            await found.look(4)
        assert found.active == "1"
        assert caplog.text.count("is active until the next start only") == 1
        keep_activation(repository / "parts", Activation.now("2", "1", None))
        await found.look(1)
        assert found.active == "2"


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

    monkeypatch.setattr("takt.repository.activation.write_atomically", refuse)
    monkeypatch.setattr("takt.core.bundles.thresholds.write_atomically", refuse)

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


@pytest.mark.parametrize("decided", ["1", None])
async def test_a_decision_that_could_not_be_read_at_the_start_is_followed_once_it_is_mended(
    watched, make_bundle, repository: Path, decided: str | None
) -> None:
    make_bundle()
    make_bundle(version="2")
    (repository / "parts" / ACTIVE).write_text("{")

    async with watched() as found:
        assert set(found.versions.values()) == {"failed"}
        if decided is None:
            (repository / "parts" / ACTIVE).unlink()
        else:
            keep_activation(repository / "parts", Activation.now(decided, "2", None))
        await found.look(1)
        # A look waits for what it has begun no longer than until the next one.
        await until(lambda: set(found.versions.values()) == {"ready"})
        assert found.active == (decided or "2")
        assert found.repository.ready


async def test_an_activation_in_place_of_a_decision_that_cannot_be_read_mends_the_others_too(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle()
    make_bundle(version="2")
    (repository / "parts" / ACTIVE).write_text("{")

    async with watched() as found:
        await found.repository.model("parts").activate("1")
        await found.look(1)
        assert found.versions == {"parts/1": "ready", "parts/2": "ready"}
        assert found.active == "1"


async def test_thresholds_that_could_not_be_read_at_a_load_are_taken_once_they_are_mended(
    watched, make_bundle, caplog
) -> None:
    first = make_bundle()
    (first.path / OVERRIDES).write_text("{")

    async with watched() as found:
        assert found.versions == {"parts/1": "failed"}
        await found.look(3)
        assert caplog.text.count("cannot be served") == 1
        (first.path / OVERRIDES).unlink()
        await found.look(2)
        assert found.versions == {"parts/1": "ready"}
        assert found.repository.ready


async def test_a_first_version_whose_thresholds_could_not_be_read_answers_once_they_are_mended(
    watched, make_bundle
) -> None:
    make_bundle()

    async with watched() as found:
        nuts = make_bundle("nuts")
        (nuts.path / OVERRIDES).write_text("{")
        await found.look(2)
        assert not found.repository.knows("nuts")
        (nuts.path / OVERRIDES).unlink()
        await found.look(2)
        assert found.repository.get("nuts").ready
