import asyncio
import re
import secrets
import shutil
from pathlib import Path

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.app import create_app
from service.engines.base import EngineOutput
from service.engines.fake import FakeEngine
from service.errors import ConfigurationError
from service.settings import Settings

URL = "/v1/models/parts/inspect"


async def samples(client: httpx.AsyncClient) -> dict[str, float]:
    """Every sample as `name{label=value,…}`."""
    text = (await client.get("/metrics")).text
    return {
        sample.name + "".join(f",{k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


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
        }
        assert (await client.get("/health/live")).json() == {"status": "live"}
        for probe in ("/health/live", "/health/ready"):
            assert (await client.head(probe)).status_code == 200


async def test_live_but_not_ready_while_loading(serve, picture_bytes) -> None:
    async with serve(wait=False) as client:
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
        async with asyncio.timeout(10):
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
    assert set(version["drift"]) == {"score", "anomaly_map", "tolerance"}
    assert version["drift"]["tolerance"] == 1e-3
    assert version["drift"]["score"] < 1e-6
    assert version["drift"]["anomaly_map"] == pytest.approx(2e-4, rel=1e-2)
    assert "parts 1 is ready on fake; its golden answers drift by" in caplog.text
    assert "0.0002 in the map" in caplog.text


async def test_a_model_that_is_loading_has_no_drift_yet(serve) -> None:
    async with serve(wait=False) as client:
        (version,) = (await client.get("/v1/models/parts")).json()["versions"]
        assert version["drift"] is None


@pytest.mark.parametrize(("of_model", "most"), [(2, 2), (5, 4), (None, 4)])
async def test_no_batch_is_larger_than_the_setting_and_the_model_allow(
    serve, make_bundle, engines: list[FakeEngine], picture_bytes, of_model, most
) -> None:
    make_bundle("few", max_batch_size=of_model)

    async with serve(max_batch_size=4) as client:
        async with asyncio.timeout(10):
            while (await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0)
        few = engines[0]
        few.batch_sizes.clear()
        few.gate.clear()
        url = "/v1/models/few/inspect"
        posts = [asyncio.create_task(client.post(url, content=picture_bytes())) for _ in range(12)]
        depth = "takt_queue_depth,model=few,version=1"
        async with asyncio.timeout(10):
            while (await samples(client))[depth] + sum(few.batch_sizes) < 12:
                await asyncio.sleep(0)
        few.gate.set()
        assert {response.status_code for response in await asyncio.gather(*posts)} == {200}
        assert max(few.batch_sizes) == most


async def test_the_highest_version_answers_unless_one_is_named(
    serve, make_bundle, picture_bytes
) -> None:
    make_bundle(version="2")

    async with serve() as client:
        async with asyncio.timeout(10):
            while (await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0)
        answer = (await client.post(URL, content=picture_bytes())).json()
        assert answer["version"] == "2"
        named = "/v1/models/parts/versions/1/inspect"
        assert (await client.post(named, content=picture_bytes())).json()["version"] == "1"


async def test_the_metrics_count_answers_refusals_stages_and_batches(serve, picture_bytes) -> None:
    async with serve() as client:
        await client.post(URL, content=picture_bytes(50))
        await client.post(URL, content=picture_bytes(200))
        await client.post(URL, content=b"")
        await client.post("/v1/models/any%20name/inspect", content=b"")
        await client.post(URL, params={"heatmap": "x"}, content=b"")
        found = await samples(client)
        requests = "takt_requests_total,model={},outcome={},protocol=rest,verdict={}"
        assert found[requests.format("parts", "ok", "good")] == 1
        assert found[requests.format("parts", "ok", "anomalous")] == 1
        assert found[requests.format("parts", "invalid_image", "none")] == 1
        assert found[requests.format("unknown", "model_not_found", "none")] == 1
        assert found[requests.format("unknown", "invalid_parameter", "none")] == 1
        for stage in ("decode", "preprocess", "queue", "engine", "postprocess", "total"):
            assert found[f"takt_stage_seconds_count,model=parts,stage={stage}"] == 2
        assert found["takt_batch_size_sum,model=parts"] == 2
        assert found["takt_model_ready,model=parts,version=1"] == 1
        assert found["takt_queue_depth,model=parts,version=1"] == 0


async def test_the_batches_of_concurrent_clients_are_larger_than_two(
    serve, engines: list[FakeEngine], picture_bytes
) -> None:
    async with serve(max_batch_size=8) as client:
        engines[0].gate.clear()
        posts = [asyncio.create_task(client.post(URL, content=picture_bytes())) for _ in range(32)]
        depth = "takt_queue_depth,model=parts,version=1"
        async with asyncio.timeout(10):
            while (await samples(client))[depth] + sum(engines[0].batch_sizes) < 32:
                await asyncio.sleep(0)
        engines[0].gate.set()
        assert {response.status_code for response in await asyncio.gather(*posts)} == {200}
        found = await samples(client)
        mean = found["takt_batch_size_sum,model=parts"] / found["takt_batch_size_count,model=parts"]
        assert mean > 2


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

    monkeypatch.setattr("service.repository.model_version.Batcher", no_threads)
    async with serve() as client:
        (model,) = (await client.get("/health/ready")).json()["models"]
        assert model["state"] == "failed"
        assert "thread" not in model["reason"]
    assert engines[0].closed


async def test_closing_the_app_closes_the_engines(serve, engines: list[FakeEngine]) -> None:
    async with serve(engine_instances=2):
        assert [engine.closed for engine in engines] == [False, False]
    assert [engine.closed for engine in engines] == [True, True]


@pytest.mark.parametrize(
    ("make", "complaint"), [(False, "is no folder"), (True, "has no bundle <name>/<version>")]
)
def test_a_repository_without_models_is_refused_at_the_start(
    tmp_path: Path, make: bool, complaint: str
) -> None:
    if make:
        (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match=complaint):
        create_app(Settings(repository=tmp_path / "empty"))


async def test_an_unknown_route_is_a_problem_too(serve) -> None:
    async with serve() as client:
        response = await client.get("/v1/nothing")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        response = await client.get(URL)
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
        assert response.headers["allow"] == "POST"


async def test_the_docs_load_nothing_from_elsewhere(serve) -> None:
    async with serve() as client:
        page = (await client.get("/docs")).text
        used = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert used
        for url in used:
            assert url.startswith("/")
            assert (await client.get(url)).status_code == 200
        assert (await client.get("/")).headers["location"] == "/docs"


async def test_openapi_tells_every_answer_with_an_example(serve) -> None:
    async with serve() as client:
        schema = (await client.get("/openapi.json")).json()
        inspect = schema["paths"]["/v1/models/{name}/inspect"]["post"]
        assert set(inspect["responses"]) == {
            *("200", "400", "403", "404", "408", "413", "415", "421", "422", "429"),
            *("500", "503", "504"),
        }
        assert set(inspect["requestBody"]["content"]) == {"image/*", "multipart/form-data"}
        assert set(inspect["responses"]["200"]["content"]) == {
            *("application/json", "image/png", "image/jpeg", "image/webp")
        }
        assert schema["components"]["schemas"]["InspectionOut"]["example"]["regions"]
        problem = inspect["responses"]["400"]["content"]["application/problem+json"]["schema"]
        assert problem["example"]["code"] == "invalid_image"


@pytest.mark.parametrize("kind", ["application/openmetrics-text", "text/plain"])
@pytest.mark.parametrize("version", ["x", "nan", "=1", "1.x.0", "2.x", "9" * 5000])
async def test_a_scraper_that_names_no_version_gets_the_plain_text(
    serve, kind: str, version: str
) -> None:
    async with serve() as client:
        answer = await client.get("/metrics", headers={"Accept": f"{kind};version={version}"})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_ten_thousand_names_and_ids_from_outside_make_no_further_series(
    bundle, repository
) -> None:
    """Asked of the app itself, since a client would take longer than what it asks for."""

    app = create_app(Settings(repository=repository), lambda _: FakeEngine())

    async def ask(path: str, request_id: str) -> int:
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"x-request-id", request_id.encode())],
            "client": None,
        }
        statuses: list[int] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])  # type: ignore[arg-type]

        await app(scope, receive, send)
        return statuses[0]

    async with app.router.lifespan_context(app):
        await app.state.repository.loaded.wait()
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await ask("/v1/models/first/inspect", "first")
            await client.get("/metrics")
            before = (await client.get("/metrics")).text.count("\n")
            for number in range(10_000):
                name = secrets.token_hex(4)
                path = f"/v1/models/{name}/versions/{number}/inspect"
                assert await ask(path, f"id-{number}") == 404
            assert (await client.get("/metrics")).text.count("\n") == before


async def test_a_wrong_method_is_told_every_method_of_the_path(serve) -> None:
    async with serve() as client:
        for path in ("/v1/models/parts/threshold", "/v1/models/parts/versions/1/threshold"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, PUT")
            assert answer.json()["code"] == "method_not_allowed"
        assert (await client.post("/health/live")).headers["allow"] == "GET, HEAD"


async def test_the_problems_of_the_open_inference_protocol_are_documented_with_their_error(
    serve,
) -> None:
    async with serve() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        problem = (await client.get("/v2/models/none")).json()
        for path in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}/config"):
            for status in ("404", "421"):
                (content,) = paths[path]["get"]["responses"][status]["content"].values()
                assert set(content["schema"]["properties"]) == set(problem)
        assert "404" in paths["/v1/models/{name}"]["get"]["responses"]
