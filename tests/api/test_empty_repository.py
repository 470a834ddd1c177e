"""A server that has no model yet: it says what to do, and its first model makes it ready."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from takt.app import create_app
from takt.configuration import load_settings
from takt.core.errors import ConfigurationError
from takt.parts.composing.assembly import foundation_of
from takt.settings import Settings
from tests.api.apps import until
from tests.manifests import rewrite_manifest
from tests.tested import GRAVE


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A repository to which nobody has brought anything; its file system has a folder."""
    (folder := tmp_path / "volume").mkdir()
    (folder / "lost+found").mkdir(mode=0o700)
    (folder / ".hidden").mkdir()
    return folder


async def test_an_empty_server_is_live_and_not_ready_and_leads_to_the_first_model(
    serve, empty
) -> None:
    async with serve(repository=empty) as client:
        assert (await client.get("/health/live")).status_code == 200
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert ready.json()["models"] == []
        for part in (str(empty), "has no model yet", "/console/learn", "takt learn"):
            assert part in ready.json()["reason"]
        assert (await client.get("/v2/health/ready")).status_code == 503
        assert (await client.get("/v1/models")).json()["models"] == []
        assert (await client.get("/console/")).status_code == 200
        assert (await client.get("/v1/learning")).status_code == 200
        refused = await client.post("/v1/models/nut/inspect", content=b"")
        assert (refused.status_code, refused.json()["code"]) == (404, "model_not_found")


async def test_a_first_version_that_waits_makes_an_empty_server_ready_once_it_is_activated(
    serve, empty, bundle
) -> None:
    rewrite_manifest(bundle.path, lambda manifest: manifest.update(self_test=GRAVE))
    async with serve(repository=empty) as client:
        shutil.copytree(bundle.path, empty / "parts" / "1")
        models = foundation_of(client._transport.app).models
        await models.watch.look_here()
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert "waits for an activation" in ready.json()["reason"]
        activated = await client.post("/v1/models/parts/versions/1/activate")
        assert activated.status_code == 200
        assert (await client.get("/health/ready")).status_code == 200


async def test_a_first_version_that_cannot_be_served_does_not_make_a_server_ready(
    serve, empty, make_bundle
) -> None:
    broken = make_bundle("nuts", trained=0.5)
    async with serve(repository=empty) as client:
        shutil.copytree(broken.path, empty / "nuts" / "1")
        models = foundation_of(client._transport.app).models
        await models.watch.look_here()
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert [one["state"] for one in ready.json()["models"]] == ["failed"]


async def test_a_share_that_is_gone_takes_no_model_from_a_server_that_began_empty(
    serve, empty, bundle
) -> None:
    async with serve(repository=empty) as client:
        shutil.copytree(bundle.path, empty / "parts" / "1")
        models = foundation_of(client._transport.app).models
        await models.watch.look_here()
        shutil.rmtree(empty / "parts")
        await models.watch.look_here()
        assert (await client.get("/health/ready")).status_code == 200


async def test_the_folder_that_nobody_has_named_need_not_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = create_app(load_settings({"record": "none", "data_folder": "data"}))
    async with app.router.lifespan_context(app):
        models = foundation_of(app).models
        await until(models.repository.loaded.is_set)
        assert not models.repository.ready
        assert "takt learn" in (models.repository.waits or "")


def test_a_named_folder_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no folder; name one with --repository"):
        create_app(Settings(repository=tmp_path / "typo"))


@pytest.mark.parametrize("place", ["manifest.json", "1/manifest.json", "a/b/c.txt", "notes.txt"])
def test_a_folder_of_something_else_is_refused_at_the_start(tmp_path: Path, place: str) -> None:
    """Such as the folder of one model, or of one version, instead of that of all models."""
    (file := tmp_path / "models" / place).parent.mkdir(parents=True)
    file.write_text("{}")
    with pytest.raises(ConfigurationError, match="has no bundle <name>/<version>"):
        create_app(Settings(repository=tmp_path / "models"))


def test_a_model_on_which_somebody_has_decided_and_that_is_gone_is_refused_at_the_start(
    empty: Path,
) -> None:
    (empty / "parts").mkdir()
    decision = {"active": "1", "previous": None, "since": "2026-01-01T00:00:00Z", "reason": None}
    (empty / "parts" / "active.json").write_text(json.dumps(decision))
    with pytest.raises(ConfigurationError, match="has no bundle <name>/<version>"):
        create_app(Settings(repository=empty))


def test_what_an_interrupted_learning_has_left_is_no_reason_to_refuse(empty: Path) -> None:
    (empty / "parts" / ".1.fit").mkdir(parents=True)
    create_app(Settings(repository=empty))
