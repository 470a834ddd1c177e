"""Readiness, and what is told of models and their versions."""

from __future__ import annotations

import asyncio
import shutil

import httpx
import numpy as np
import pytest

from takt.app import create_app
from takt.core.bundles.manifest import Drift, FileDrift
from takt.core.engines.base import EngineOutput
from takt.core.engines.fake import FakeEngine
from takt.settings import Settings

URL = "/v1/models/parts/inspect"


async def test_ready_once_the_engine_answered_the_golden_inputs(serve) -> None:
    async with serve() as client:
        response = await client.get("/health/ready")
        assert response.status_code == 200
        assert response.json() == {
            "ready": True,
            "models": [
                {
                    "name": "parts",
                    "version": "1",
                    "ready": True,
                    "state": "ready",
                    "reason": None,
                }
            ],
            "reason": None,
        }
        assert (await client.get("/health/live")).json() == {"status": "live"}
        for probe in ("/health/live", "/health/ready"):
            assert (await client.head(probe)).status_code == 200


async def test_live_but_not_ready_while_loading(serve_loading, picture_bytes) -> None:
    async with serve_loading() as client:
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 503
        response = await client.post(URL, content=picture_bytes())
        assert (response.status_code, response.json()["code"]) == (503, "not_ready")


async def test_a_drifting_model_is_not_ready_and_says_why(serve, bundle, repository, make_bundle):
    make_bundle("skewed", scale=1.1)
    app = create_app(Settings(repository=repository))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as client,
    ):
        async with asyncio.timeout(60):
            while "loading" in (await client.get("/health/ready")).text:
                await asyncio.sleep(0)
        response = await client.get("/health/ready")
        assert response.status_code == 503
        parts, skewed = response.json()["models"]
        assert parts["ready"] is True
        assert skewed["state"] == "failed"
        assert "drifts from the trained model" in skewed["reason"]
        refused = await client.post("/v1/models/skewed/inspect", content=b"")
        assert refused.status_code == 503
        assert "/health/ready says why" in refused.json()["detail"]


async def test_the_models_are_listed_with_their_versions(serve, make_bundle) -> None:
    make_bundle(version="10")
    make_bundle(version="9")

    async with serve() as client:
        (model,) = (await client.get("/v1/models")).json()["models"]
        assert model == (await client.get("/v1/models/parts")).json()
        assert model["active"] == "10"
        assert [v["version"] for v in model["versions"]] == ["1", "9", "10"]
        version = model["versions"][0]
        assert version["input"] == {"width": 32, "height": 32}
        assert version["thresholds"]["image"] == 0.5
        assert version["map_low"] == 0.1
        assert version["engine"] == "fake"
        assert (await client.get("/v1/models/none")).status_code == 404


async def test_a_model_tells_how_far_its_engine_drifts_from_the_golden_answers(
    serve, bundle, caplog
) -> None:
    class Skewed(FakeEngine):
        def infer(self, images):
            output = super().infer(images)
            return EngineOutput(output.anomaly_map + np.float32(2e-4), output.score)

    engines = iter([FakeEngine(), Skewed()])  # the worse of several counts

    with caplog.at_level("INFO", "takt.repository"):
        async with serve(engine_instances=2, open_engine=lambda _: next(engines)) as client:
            (version,) = (await client.get("/v1/models/parts")).json()["versions"]
    assert set(version["drift"]) == {"score", "anomaly_map", "tolerance", "from_file"}
    assert version["drift"]["from_file"] is None  # the bundle is from before it was measured
    assert version["drift"]["tolerance"] == 1e-3
    assert version["drift"]["score"] < 1e-6
    assert version["drift"]["anomaly_map"] == pytest.approx(2e-4, rel=1e-2)
    assert "parts 1 is ready on fake; its golden answers drift by" in caplog.text
    assert "0.0002 in the map" in caplog.text


async def test_a_model_tells_what_the_export_measured_from_the_file_on(serve, make_bundle) -> None:
    whole = FileDrift(score=1e-6, anomaly_map=2e-6)
    drift = Drift(pictures=7, score=1e-7, anomaly_map=2e-7, from_file=whole)
    make_bundle(version="2", drift=drift)
    async with serve() as client:
        *_, version = (await client.get("/v1/models/parts")).json()["versions"]
    assert version["drift"]["from_file"] == {"score": 1e-6, "anomaly_map": 2e-6, "pictures": 7}


async def test_a_model_that_is_loading_has_no_drift_yet(serve_loading) -> None:
    async with serve_loading() as client:
        (version,) = (await client.get("/v1/models/parts")).json()["versions"]
        assert version["drift"] is None


async def test_the_highest_version_answers_unless_one_is_named(
    serve, make_bundle, picture_bytes
) -> None:
    make_bundle(version="2")

    async with serve() as client:
        async with asyncio.timeout(60):
            while (await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0)
        answer = (await client.post(URL, content=picture_bytes())).json()
        assert answer["version"] == "2"
        named = "/v1/models/parts/versions/1/inspect"
        assert (await client.post(named, content=picture_bytes())).json()["version"] == "1"


async def test_a_copied_folder_is_refused_since_its_answers_would_name_the_original(
    serve, bundle, repository
) -> None:
    shutil.copytree(bundle.path, repository / "copies" / "2")

    async with serve() as client:
        states = {m["name"]: m for m in (await client.get("/health/ready")).json()["models"]}
        assert states["copies"]["state"] == "failed"
        assert "holds model parts, version 1" in states["copies"]["reason"]


async def test_a_release_beats_its_candidate_and_hidden_folders_are_no_models(
    serve, bundle, repository, make_bundle
) -> None:
    make_bundle(version="2.0-rc1")
    make_bundle(version="2.0")
    shutil.copytree(repository / "parts", repository / ".snapshot")

    async with serve() as client:
        (model,) = (await client.get("/v1/models")).json()["models"]
        assert [v["version"] for v in model["versions"]] == ["1", "2.0-rc1", "2.0"]


async def test_a_model_that_cannot_start_its_threads_is_failed_and_the_rest_closes(
    serve, engines: list[FakeEngine], monkeypatch
) -> None:
    def no_threads(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("takt.repository.model_version.Batcher", no_threads)
    async with serve() as client:
        (model,) = (await client.get("/health/ready")).json()["models"]
        assert model["state"] == "failed"
        assert "thread" not in model["reason"]
    assert engines[0].closed


async def test_closing_the_app_closes_the_engines(serve, engines: list[FakeEngine]) -> None:
    async with serve(engine_instances=2):
        assert [engine.closed for engine in engines] == [False, False]
    assert [engine.closed for engine in engines] == [True, True]


async def test_where_a_bundle_comes_from_is_told(serve, make_bundle) -> None:
    good = {"count": 210, "digest": "a" * 64}
    make_bundle(
        version="2",
        provenance={"good": good, "files": ["b" * 64], "host": "a processor", "system": "Linux"},
    )

    async with serve() as client:
        before, since = (await client.get("/v1/models/parts")).json()["versions"]

    assert before["provenance"] is None
    assert since["provenance"] == {
        "good": good,
        "defects": None,
        "calibrated_on": None,
        "files": ["b" * 64],
        "host": "a processor",
        "system": "Linux",
    }
