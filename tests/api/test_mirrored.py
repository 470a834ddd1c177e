"""Bundles from a store: a web server, and an object store that speaks S3 over real connections."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from takt.app import create_app
from takt.core.bundles.bundle import Bundle
from takt.core.bundles.signing.signature import write_signature
from takt.core.engines.fake import FakeEngine
from takt.mirroring.location import mirror_folder
from takt.parts.composing.assembly import foundation_of
from takt.settings import Settings
from tests.shelves import CREDENTIALS, Shelf, s3_shelf, upload, web_shelf
from tests.signing import FOREIGN, OURS, public_pem

MODEL = "/v1/models/parts"
INSPECT = f"{MODEL}/inspect"


@pytest.fixture(params=["http", "s3"])
def shelf(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shelf]:
    """A store that is there."""
    # One that is away is asked again at once.
    monkeypatch.setattr("takt.mirroring.worker._AGAIN_S", 0.05)
    if request.param == "http":
        with web_shelf(tmp_path / "there") as web:
            yield web
        return
    with s3_shelf() as s3:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": s3.endpoint}.items():
            monkeypatch.setenv(name, value)
        yield s3


class Served:
    """A server whose bundles come from a store."""

    def __init__(self, app: Any, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.01)

    async def ready(self) -> None:
        await self.until(lambda: foundation_of(self.app).models.repository.ready)

    @property
    def versions(self) -> dict[str, str]:
        return {
            f"{one.name}/{one.version}": one.state
            for one in foundation_of(self.app).models.repository
        }

    @property
    def source(self) -> Any:
        return foundation_of(self.app).models.mirror.source

    async def answering(self, picture: bytes) -> str:
        answer = await self.client.post(INSPECT, content=picture)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["version"])


Serve = Callable[..., Any]


@pytest.fixture
def serve_from(shelf: Shelf, tmp_path: Path) -> Serve:
    """`async with serve_from() as served:` a server with a mirror of the shelf, as it was left."""

    def open_fake(_: Bundle) -> FakeEngine:
        return FakeEngine()

    @asynccontextmanager
    async def run(**settings: Any) -> AsyncIterator[Served]:
        given = Settings(
            repository=shelf.url,
            data_folder=tmp_path / "data",
            allowed_hosts="takt",
            repository_poll_s=0.05,
            **settings,
        )
        app = create_app(given, open_fake)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://takt") as client,
        ):
            yield Served(app, client)

    return run


async def test_a_first_start_fetches_all_and_the_highest_version_answers(
    shelf: Shelf, serve_from: Serve, make_bundle, picture_bytes, tmp_path: Path
) -> None:
    upload(shelf, make_bundle().path)
    upload(shelf, make_bundle(version="2").path)

    async with serve_from() as served:
        await served.ready()
        assert served.versions == {"parts/1": "ready", "parts/2": "ready"}
        assert await served.answering(picture_bytes(50)) == "2"
        told = (await served.client.get("/v1/models")).json()["source"]
        assert told == {"url": shelf.url, "away": None, "refused": []}
        assert "takt_repository_up 1.0" in (await served.client.get("/metrics")).text
    assert (mirror_folder(tmp_path / "data", shelf.url) / "parts/2/model.onnx").exists()


async def test_a_start_without_the_store_serves_what_came_before(
    shelf: Shelf, serve_from: Serve, make_bundle, picture_bytes
) -> None:
    upload(shelf, make_bundle().path)
    async with serve_from() as served:
        await served.ready()
    shelf.vanish()
    try:
        async with serve_from() as served:
            await served.ready()
            assert await served.answering(picture_bytes(50)) == "1"
            await served.until(lambda: served.source.away is not None)
            assert shelf.url in served.source.away
            ready = await served.client.get("/health/ready")
            assert (ready.status_code, ready.json()["reason"]) == (200, None)
            assert "takt_repository_up 0.0" in (await served.client.get("/metrics")).text
    finally:
        shelf.back()


async def test_a_start_with_nothing_is_live_says_why_it_is_not_ready_and_goes_on_trying(
    shelf: Shelf, serve_from: Serve, make_bundle, picture_bytes
) -> None:
    version = make_bundle().path
    upload(shelf, version)
    shelf.vanish()
    back = False
    try:
        async with serve_from() as served:
            await served.until(lambda: served.source.away is not None)
            assert (await served.client.get("/health/live")).status_code == 200
            ready = await served.client.get("/health/ready")
            assert ready.status_code == 503
            assert "does not answer" in ready.json()["reason"]
            assert (await served.client.get("/v1/models")).json()["models"] == []
            refused = await served.client.post(INSPECT, content=picture_bytes(50))
            assert (refused.status_code, refused.json()["code"]) == (404, "model_not_found")
            assert "none yet" in refused.json()["detail"]
            shelf.back()
            back = True
            await served.ready()
            assert await served.answering(picture_bytes(50)) == "1"
    finally:
        if not back:
            shelf.back()


async def test_a_version_steps_in_and_waits_until_it_is_activated_there_or_here(
    shelf: Shelf, serve_from: Serve, make_bundle, picture_bytes
) -> None:
    picture = picture_bytes(50)
    upload(shelf, make_bundle().path)
    async with serve_from() as served:
        await served.ready()
        upload(shelf, make_bundle(version="2").path)
        await served.until(lambda: served.versions.get("parts/2") == "ready")
        assert await served.answering(picture) == "1"

        decision = {"active": "2", "activated_at": "2026-01-01T00:00:00+00:00", "reason": "lamp"}
        shelf.put("parts/active.json", json.dumps(decision).encode())
        model = foundation_of(served.app).models.repository.model("parts")
        await served.until(lambda: model.active == "2")
        assert await served.answering(picture) == "2"

        await served.client.post(f"{MODEL}/versions/1/activate")
        assert await served.answering(picture) == "1"
    async with serve_from() as served:
        await served.ready()
        await served.until(lambda: foundation_of(served.app).models.mirror._looked.is_set())
        assert await served.answering(picture) == "1"


async def test_a_corrupt_upload_is_refused_while_the_old_version_answers(
    shelf: Shelf, serve_from: Serve, make_bundle, picture_bytes
) -> None:
    picture = picture_bytes(50)
    first = make_bundle()
    upload(shelf, first.path)
    async with serve_from() as served:
        await served.ready()
        upload(shelf, make_bundle(version="2").path, spoil="model.onnx")
        shutil.rmtree(first.path)
        upload(shelf, make_bundle(notes=("again",)).path, spoil="golden.npz")
        # A store may show a file while it is written; it is looked at again.
        await served.until(lambda: "golden.npz" in served.source.refused.get("parts/1", ""))
        await served.until(lambda: "SHA-256" in served.source.refused.get("parts/2", ""))
        (one, other) = (await served.client.get("/v1/models")).json()["source"]["refused"]
        assert one["name"] == "parts/1" and "golden.npz" in one["reason"]
        assert other["name"] == "parts/2" and "SHA-256" in other["reason"]
        assert served.versions == {"parts/1": "ready"}
        assert await served.answering(picture) == "1"
        assert "takt_repository_refused 2.0" in (await served.client.get("/metrics")).text

    async with serve_from() as served:
        await served.ready()
        assert await served.answering(picture) == "1"


async def test_a_store_that_vanishes_and_comes_back_costs_no_request(
    shelf: Shelf, serve_from: Serve, make_bundle, picture_bytes
) -> None:
    picture, stop = picture_bytes(50), asyncio.Event()
    answered: list[str] = []
    upload(shelf, make_bundle().path)
    second = make_bundle(version="2").path

    async with serve_from() as served:
        await served.ready()

        async def inspect() -> None:
            while not stop.is_set():
                answered.append(await served.answering(picture))

        lines = [asyncio.create_task(inspect()) for _ in range(2)]
        await asyncio.to_thread(shelf.vanish)
        await served.until(lambda: served.source.away is not None)
        await asyncio.to_thread(shelf.back)
        await served.until(lambda: served.source.away is None)
        await asyncio.to_thread(upload, shelf, second)
        await served.until(lambda: served.versions.get("parts/2") == "ready")
        stop.set()
        await asyncio.gather(*lines)
    assert len(answered) > 10 and set(answered) == {"1"}


async def test_with_trusted_keys_an_unsigned_version_is_refused(
    shelf: Shelf, serve_from: Serve, make_bundle, picture_bytes, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.pem"
    keys.write_bytes(public_pem(OURS))

    def signed(version: Path, key: Any) -> Path:
        write_signature(version, (version / "manifest.json").read_bytes(), key)
        return version

    upload(shelf, signed(make_bundle().path, OURS))
    async with serve_from(trusted_keys=keys) as served:
        await served.ready()
        upload(shelf, make_bundle(version="2").path)
        upload(shelf, signed(make_bundle(version="3").path, FOREIGN))
        await served.until(lambda: set(served.source.refused) == {"parts/2", "parts/3"})
        assert "is not signed" in served.source.refused["parts/2"]
        assert "not trusted" in served.source.refused["parts/3"]
        assert served.versions == {"parts/1": "ready"}
        assert await served.answering(picture_bytes(50)) == "1"


async def test_a_version_that_is_taken_away_goes_here_unless_it_is_active(
    shelf: Shelf, serve_from: Serve, make_bundle, picture_bytes
) -> None:
    upload(shelf, make_bundle().path)
    upload(shelf, make_bundle(version="2").path)
    async with serve_from() as served:
        await served.ready()
        for version in ("1", "2"):
            shelf.delete(f"parts/{version}/manifest.json")
        upload(shelf, make_bundle("nuts").path)
        await served.until(lambda: "parts/1" not in served.versions)
        await served.until(lambda: "parts/2" in served.source.refused)
        assert "the active version" in served.source.refused["parts/2"]
        assert await served.answering(picture_bytes(50)) == "2"
