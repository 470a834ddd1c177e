"""Versions of which their self-test says not to serve them."""

import shutil
from pathlib import Path

import pytest

from takt.core.errors import ModelNotFoundError, NotReadyError
from takt.repository.activation import (
    ACTIVE,
    TESTED_LATER,
    Activation,
    by_itself,
    keep_activation,
    read_activation,
)
from takt.repository.pruning import plan_pruning
from tests.tested import GRAVE, HARMLESS
from tests.unit.service.repository.watched import Watched


def waits(found: Watched, version: str = "1") -> bool:
    with pytest.raises(NotReadyError, match=f"version {version} of model parts waits") as told:
        found.repository.get("parts")
    assert "what made_up_missed found; more pictures" in str(told.value)
    assert f"POST /v1/models/parts/versions/{version}/activate" in str(told.value)
    return found.repository.get("parts", version).ready


async def test_a_first_version_with_a_grave_finding_waits_for_an_activation(
    watched, make_bundle, repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_bundle("nuts")

    async with watched() as found:
        make_bundle(self_test=GRAVE)
        await found.look()
        assert waits(found)
        assert "version 1 of model parts waits for an activation" in caplog.text
        assert found.repository.ready
        assert 'takt_model_active{model="parts",version="1"} 0.0' in found.exposed
        done = await found.repository.model("parts").activate("1", "all we have")
        assert (done.before, done.previous, found.active) == (None, None, "1")
    async with watched() as found:
        assert found.active == "1"


async def test_a_restart_has_it_wait_as_before(watched, make_bundle, repository: Path) -> None:
    make_bundle(self_test=GRAVE)

    for _ in range(2):
        async with watched() as found:
            assert waits(found)
            await found.look(3)
            assert waits(found)
            assert not (repository / "parts" / ACTIVE).exists()


async def test_a_finding_that_is_not_grave_keeps_no_first_version_from_answering(
    watched, make_bundle
) -> None:
    make_bundle("nuts")

    async with watched() as found:
        make_bundle(self_test=HARMLESS)
        await found.look()
        assert found.active == "1"


async def test_a_decision_in_the_folder_has_it_answer(watched, make_bundle, repository) -> None:
    make_bundle(self_test=GRAVE)
    keep_activation(repository / "parts", Activation.now("1", None, None))

    async with watched() as found:
        assert found.active == "1"


async def test_a_decision_that_comes_into_the_folder_is_followed(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle(self_test=GRAVE)

    async with watched() as found:
        keep_activation(repository / "parts", Activation.now("1", None, None))
        await found.look(1)
        assert found.active == "1"


async def test_a_later_version_that_may_be_served_steps_in_for_one_that_waits(
    watched, make_bundle
) -> None:
    make_bundle(self_test=GRAVE)

    async with watched() as found:
        make_bundle(version="2", self_test=HARMLESS)
        await found.look()
        assert found.active == "2"


async def test_where_nobody_has_decided_a_start_passes_over_versions_with_a_grave_finding(
    watched, make_bundle
) -> None:
    make_bundle()
    make_bundle(version="2", self_test=GRAVE)

    async with watched() as found:
        assert found.active == "1"


async def test_of_several_that_wait_the_highest_is_told(watched, make_bundle) -> None:
    make_bundle(self_test=GRAVE)
    make_bundle(version="2", self_test=GRAVE)

    async with watched() as found:
        assert waits(found, "2")


async def test_a_version_that_is_tested_better_by_now_answers(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle(self_test=GRAVE)

    async with watched() as found:
        shutil.rmtree(repository / "parts")
        make_bundle(self_test=HARMLESS)
        await found.look()
        assert found.active == "1"


async def test_a_version_that_answers_goes_on_when_a_later_test_speaks_against_it(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle()

    async with watched() as found:
        shutil.rmtree(repository / "parts" / "1")
        make_bundle(self_test=GRAVE)
        await found.look()
        assert found.active == "1"
        kept = read_activation(repository / "parts")
        assert kept is not None
        assert (kept.active, kept.reason) == ("1", TESTED_LATER)
    async with watched() as found:
        assert found.active == "1"


async def test_a_version_that_could_never_answer_waits_once_it_is_mended_to_a_grave_one(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle(trained=0.5)

    async with watched() as found:
        shutil.rmtree(repository / "parts" / "1")
        make_bundle(self_test=GRAVE)
        await found.look()
        assert waits(found)


async def test_a_server_of_which_every_model_waits_is_not_ready_and_says_why(
    watched, make_bundle
) -> None:
    make_bundle(self_test=GRAVE)

    async with watched() as found:
        assert not found.repository.ready
        assert "version 1 of model parts waits" in (found.repository.waits or "")
        assert found.repository.names == ("parts",)
        await found.repository.model("parts").activate("1")
        assert found.repository.ready
        assert found.repository.waits is None


async def test_a_version_that_waits_is_gone_with_its_folder(
    watched, make_bundle, repository: Path
) -> None:
    make_bundle("nuts")
    make_bundle(self_test=GRAVE)

    async with watched() as found:
        shutil.rmtree(repository / "parts")
        await found.look(3)
        assert found.repository.names == ("nuts",)
        with pytest.raises(ModelNotFoundError, match="there is no model 'parts'"):
            found.repository.get("parts")


def test_a_manifest_that_cannot_be_read_keeps_no_version_waiting(
    make_bundle, repository: Path
) -> None:
    make_bundle(self_test=GRAVE)
    paths = [repository / "parts" / "1"]
    assert by_itself(paths) is None
    (paths[0] / "manifest.json").write_text("{")
    assert by_itself(paths) == "1"


def test_what_answers_by_itself_is_not_pruned_though_a_later_one_waits(
    make_bundle, repository: Path
) -> None:
    make_bundle()
    make_bundle(version="2", self_test=GRAVE)
    first, later = plan_pruning(repository, {}, newest=0)
    assert (first.stays, later.stays) == (("it is active",), ())
