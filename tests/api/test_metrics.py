"""What `/metrics` tells of answers and batches, and how many series there are."""

from __future__ import annotations

import asyncio
import secrets

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from takt.app import create_app
from takt.core.engines.fake import FakeEngine
from takt.parts.composing.assembly import foundation_of
from takt.recording.record import Record
from takt.settings import Settings

URL = "/v1/models/parts/inspect"


async def samples(client: httpx.AsyncClient) -> dict[str, float]:
    """Every sample as `name{label=value,…}`."""
    text = (await client.get("/metrics")).text
    return {
        sample.name + "".join(f",{k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(("of_model", "most"), [(2, 2), (5, 4), (None, 4)])
async def test_no_batch_is_larger_than_the_setting_and_the_model_allow(
    serve, make_bundle, engines: list[FakeEngine], picture_bytes, of_model, most
) -> None:
    make_bundle("few", max_batch_size=of_model)

    async with serve(max_batch_size=4) as client:
        async with asyncio.timeout(60):
            while (await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0)
        few = engines[0]
        few.batch_sizes.clear()
        few.gate.clear()
        url = "/v1/models/few/inspect"
        posts = [asyncio.create_task(client.post(url, content=picture_bytes())) for _ in range(12)]
        depth = "takt_queue_depth,model=few,version=1"
        async with asyncio.timeout(60):
            while (await samples(client))[depth] + sum(few.batch_sizes) < 12:
                await asyncio.sleep(0)
        few.gate.set()
        assert {response.status_code for response in await asyncio.gather(*posts)} == {200}
        assert max(few.batch_sizes) == most


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


async def test_a_request_that_brings_no_picture_is_not_counted_as_a_refused_one(
    serve, sqlite_record: Record
) -> None:
    counted = (
        "takt_requests_total,model=unknown,outcome=invalid_parameter,protocol=rest,verdict=none"
    )
    async with serve(record=sqlite_record) as client:
        for path in ("/v1/inspections", "/v1/audit", "/v1/parts", "/v1/review/tiles"):
            assert (await client.get(path, params={"limit": 0})).status_code == 422
        assert counted not in await samples(client)
        view = await client.post("/v1/parts/A-17/views/top", params={"heatmap": "x"}, content=b"")
        assert view.status_code == 422
        assert (await samples(client))[counted] == 1


async def test_the_batches_of_concurrent_clients_are_larger_than_two(
    serve, engines: list[FakeEngine], picture_bytes
) -> None:
    async with serve(max_batch_size=8) as client:
        engines[0].gate.clear()
        posts = [asyncio.create_task(client.post(URL, content=picture_bytes())) for _ in range(32)]
        depth = "takt_queue_depth,model=parts,version=1"
        async with asyncio.timeout(60):
            while (await samples(client))[depth] + sum(engines[0].batch_sizes) < 32:
                await asyncio.sleep(0)
        engines[0].gate.set()
        assert {response.status_code for response in await asyncio.gather(*posts)} == {200}
        found = await samples(client)
        mean = found["takt_batch_size_sum,model=parts"] / found["takt_batch_size_count,model=parts"]
        assert mean > 2


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
        await foundation_of(app).models.repository.loaded.wait()
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
