import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from takt.app import create_app
from takt.core.bundles.bundle import MANIFEST, Bundle
from takt.core.engines.fake import FakeEngine
from takt.parts.composing.assembly import foundation_of
from takt.repository.activation import ACTIVE
from takt.settings import Settings

MODEL = "/v1/models/parts"
INSPECT = f"{MODEL}/inspect"
ROLLBACK = f"{MODEL}/rollback"


def activate(version: str) -> str:
    return f"{MODEL}/versions/{version}/activate"


@pytest.fixture
def versions(bundle, make_bundle):
    """1 and 2, of which 2 is the highest."""
    return bundle, make_bundle(version="2")


def spoil(bundle: Bundle) -> Callable[[], object]:
    """Let a bundle be none; what is returned mends it."""
    manifest = bundle.path / MANIFEST
    whole = manifest.read_bytes()
    manifest.write_bytes(b"{}")
    return lambda: manifest.write_bytes(whole)


async def answering(client: httpx.AsyncClient, picture: bytes) -> str:
    answer = await client.post(INSPECT, content=picture)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["version"])


async def test_another_version_answers_and_a_rollback_goes_back(
    serve, versions, picture_bytes, repository: Path
) -> None:
    picture = picture_bytes(50)
    async with serve() as client:
        assert await answering(client, picture) == "2"
        done = (await client.post(activate("1"), json={"reason": "lamp"})).json()
        assert done.pop("request_id")
        assert done == {
            "model": "parts",
            "version": "1",
            "before": "2",
            "previous": "2",
            "persisted": True,
        }
        assert await answering(client, picture) == "1"
        model = (await client.get(MODEL)).json()
        assert (model["active"], model["previous"], model["decided"]) == ("1", "2", True)
        kept = json.loads((repository / "parts" / ACTIVE).read_text())
        assert (kept["active"], kept["previous"], kept["reason"]) == ("1", "2", "lamp")
        assert (await client.post(ROLLBACK)).json()["version"] == "2"
        assert await answering(client, picture) == "2"
        assert (await client.post(ROLLBACK)).json()["version"] == "1"


async def test_who_names_a_version_gets_that_one_whichever_is_active(
    serve, versions, picture_bytes
) -> None:
    async with serve() as client:
        await client.post(activate("1"))
        answer = await client.post(f"{MODEL}/versions/2/inspect", content=picture_bytes(50))
        assert answer.json()["version"] == "2"


async def test_which_version_is_active_survives_a_restart(serve, versions, picture_bytes) -> None:
    async with serve() as client:
        await client.post(activate("1"))
    async with serve() as client:
        assert await answering(client, picture_bytes(50)) == "1"
        assert (await client.post(ROLLBACK)).json()["version"] == "2"


async def test_the_active_version_again_changes_nothing_to_go_back_to(serve, versions) -> None:
    async with serve() as client:
        await client.post(activate("1"))
        again = (await client.post(activate("1"))).json()
        assert (again["before"], again["version"], again["previous"]) == ("1", "1", "2")
        metrics = (await client.get("/metrics")).text
        assert 'takt_model_activations_total{model="parts"} 1.0' in metrics
        assert 'takt_model_active{model="parts",version="1"} 1.0' in metrics
        assert 'takt_model_active{model="parts",version="2"} 0.0' in metrics


async def test_a_version_whose_golden_answers_are_wrong_by_now_is_not_activated(
    serve, versions, engines, picture_bytes
) -> None:
    async with serve() as client:
        assert len(engines) == 2
        sick = engines[0]
        answer_as_before = sick.infer

        def drift(images):
            found = answer_as_before(images)
            return type(found)(found.anomaly_map + 0.1, found.score)

        sick.infer = drift  # type: ignore[method-assign]
        refused = await client.post(activate("1"))
        assert (refused.status_code, refused.json()["code"]) == (500, "drift")
        assert "drifts from the trained model" in refused.json()["detail"]
        assert await answering(client, picture_bytes(50)) == "2"
        assert (await client.get(MODEL)).json()["decided"] is False


async def test_a_version_whose_engine_fails_is_not_activated(
    serve, versions, engines, picture_bytes
) -> None:
    async with serve() as client:
        engines[0].fail = True
        refused = await client.post(activate("1"))
        assert (refused.status_code, refused.json()["code"]) == (500, "engine_failed")
        assert await answering(client, picture_bytes(50)) == "2"


async def test_a_failed_version_is_tried_again_and_activated_once_it_can_be_served(
    serve, bundle, make_bundle, picture_bytes
) -> None:
    mend = spoil(make_bundle(version="2"))

    async with serve() as client:
        # The highest version is the active one, and cannot be served.
        assert (await client.get("/health/ready")).status_code == 503
        refused = await client.post(activate("2"))
        assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
        assert (await client.post(activate("1"))).status_code == 200
        assert (await client.get("/health/ready")).status_code == 200
        mend()
        assert (await client.post(activate("2"))).status_code == 200
        assert await answering(client, picture_bytes(50)) == "2"


async def test_a_failed_version_that_two_activate_at_once_is_loaded_twice_and_served_once(
    serve, bundle, make_bundle, engines
) -> None:
    mend = spoil(make_bundle(version="2"))

    async with serve() as client:
        mend()
        both = await asyncio.gather(*(client.post(activate("2")) for _ in range(2)))
        assert [answer.status_code for answer in both] == [200, 200]
        async with asyncio.timeout(60):
            while [engine.closed for engine in engines].count(True) != len(engines) - 2:
                await asyncio.sleep(0)
    assert all(engine.closed for engine in engines)


async def test_where_nothing_was_activated_there_is_nothing_to_go_back_to(serve, versions) -> None:
    async with serve() as client:
        refused = await client.post(ROLLBACK)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert "has no version to go back to" in refused.json()["detail"]


async def test_what_is_not_there_cannot_be_activated(serve, versions) -> None:
    async with serve() as client:
        assert (await client.post(activate("7"))).status_code == 404
        assert (await client.post("/v1/models/none/rollback")).status_code == 404
        refused = await client.post(activate("1"), json={"why": "lamp"})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")


async def test_a_server_may_keep_its_versions_from_requests(serve, versions, picture_bytes) -> None:
    async with serve(version_changes=False) as client:
        for path in (activate("1"), ROLLBACK):
            assert (await client.post(path)).status_code == 403
        assert await answering(client, picture_bytes(50)) == "2"


@pytest.mark.parametrize("path", [activate("1"), ROLLBACK])
async def test_a_page_of_another_host_may_not_change_versions(serve, versions, path: str) -> None:
    """A browser sends such a POST without asking whether it may."""

    page = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    async with serve() as client:
        assert (await client.post(path, headers=page)).status_code == 403
        assert (await client.get(MODEL)).json()["active"] == "2"
        own = await client.post(activate("1"), headers={"Origin": "http://takt"})
        assert own.status_code == 200
    async with serve(allowed_origins="https://hmi.example") as client:
        allowed = await client.post(activate("2"), headers={"Origin": "https://hmi.example"})
        assert allowed.status_code == 200


async def test_a_model_that_cannot_be_served_is_not_among_those_that_can_be_asked(
    serve, bundle, make_bundle, repository: Path
) -> None:
    async with serve(repository_poll_s=0.01) as client:
        (make_bundle("nuts").path / MANIFEST).write_bytes(b"{}")
        async with asyncio.timeout(60):
            while '"nuts"' not in (await client.get("/health/ready")).text:
                await asyncio.sleep(0.01)
        listed = await client.get("/v1/models")
        assert [model["name"] for model in listed.json()["models"]] == ["parts"]
        assert (await client.get("/health/ready")).status_code == 200
        assert (await client.get("/v1/models/nuts")).status_code == 404


async def test_where_a_decision_cannot_be_read_its_model_alone_is_not_served(
    serve, versions, make_bundle, repository: Path
) -> None:
    make_bundle("nuts")
    (repository / "parts" / ACTIVE).write_text("{")

    async with serve() as client:
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        states = {m["name"]: (m["state"], m["reason"]) for m in ready.json()["models"]}
        assert states["nuts"] == ("ready", None)
        assert "correct it, or delete it" in states["parts"][1]
        assert (await client.post(activate("1"))).status_code == 200
        assert (await client.get("/health/ready")).status_code == 200


async def test_an_activation_is_audited(serve, versions, caplog) -> None:
    with caplog.at_level(logging.INFO, "takt.audit"):
        async with serve() as client:
            await client.post(activate("1"), json={"reason": "lamp"})
    (line,) = (r.getMessage() for r in caplog.records if r.name == "takt.audit")
    event, _, facts = line.partition(" ")
    assert event == "version_activated"
    assert json.loads(facts)["reason"] == "lamp"


async def test_an_active_version_that_is_gone_at_the_start_is_not_replaced_by_another(
    serve, versions, repository: Path, picture_bytes
) -> None:
    decision = {"active": "3", "previous": "2", "activated_at": "2026-01-01T00:00:00+00:00"}
    (repository / "parts" / ACTIVE).write_text(json.dumps(decision))

    async with serve() as client:
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert (await client.post(INSPECT, content=picture_bytes(50))).status_code == 503
        assert (await client.post(ROLLBACK)).json()["version"] == "2"
        assert (await client.get("/health/ready")).status_code == 200


@pytest.mark.parametrize(
    ("decision", "version", "reason"),
    [
        (
            {"active": "3", "activated_at": "2026-01-01T00:00:00+00:00"},
            "3",
            "active.json names version 3, which is not there; put it back",
        ),
        ({"active": 3}, "unknown", "correct it, or delete it"),
    ],
)
async def test_a_model_whose_last_version_is_gone_is_not_ready_and_says_why(
    serve, bundle, repository: Path, picture_bytes, decision: object, version: str, reason: str
) -> None:
    (repository / "nuts").mkdir()
    (repository / "nuts" / ACTIVE).write_text(json.dumps(decision))

    async with serve() as client:
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        nuts, parts = ready.json()["models"]
        assert (nuts["name"], nuts["version"], nuts["state"]) == ("nuts", version, "failed")
        assert reason in nuts["reason"]
        assert parts["ready"]
        listed = (await client.get("/v1/models/nuts")).json()
        assert (listed["active"], listed["versions"][0]["reason"]) == (version, nuts["reason"])
        metrics = (await client.get("/metrics")).text
        assert f'takt_model_ready{{model="nuts",version="{version}"}} 0.0' in metrics
        refused = await client.post("/v1/models/nuts/inspect", content=picture_bytes(50))
        assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
        # The other models are served.
        assert (await client.post(INSPECT, content=picture_bytes(50))).status_code == 200


async def test_a_version_that_is_not_active_may_fail_and_the_server_is_ready(
    serve, bundle, make_bundle
) -> None:
    make_bundle(version="2")
    (bundle.path / MANIFEST).write_bytes(b"{}")

    async with serve() as client:
        async with asyncio.timeout(60):
            while (await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0)
        states = {
            model["version"]: model["state"]
            for model in (await client.get("/health/ready")).json()["models"]
        }
        assert states == {"1": "failed", "2": "ready"}


async def test_nobody_who_is_on_the_way_is_refused_when_a_version_steps_in(
    repository: Path, versions, picture_bytes
) -> None:
    """A picture that is still being sent when its version is replaced is answered by that one."""
    engines: list[FakeEngine] = []

    def open_fake(_: object) -> FakeEngine:
        engines.append(FakeEngine())
        return engines[-1]

    app = create_app(Settings(repository=repository), open_fake)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        await foundation_of(app).models.repository.loaded.wait()
        half_sent, go_on = asyncio.Event(), asyncio.Event()
        picture = picture_bytes(50)

        async def body():
            yield picture[:10]
            half_sent.set()
            await go_on.wait()
            yield picture[10:]

        post = asyncio.create_task(client.post(INSPECT, content=body()))
        await half_sent.wait()
        await foundation_of(app).models.repository.load_version(repository / "parts" / "2")
        assert len(engines) == 3
        assert not engines[1].closed
        go_on.set()
        assert (await post).status_code == 200
        async with asyncio.timeout(60):
            while not engines[1].closed:
                await asyncio.sleep(0)
        assert await answering(client, picture) == "2"


@pytest.mark.parametrize("path", [ROLLBACK, activate("1")])
async def test_a_loaded_version_whose_files_were_spoilt_is_not_activated(
    serve, versions, picture_bytes, path: str
) -> None:
    async with serve() as client:
        assert (await client.post(activate("1"))).status_code == 200
        assert (await client.post(activate("2"))).status_code == 200
        graph = versions[0].model_path
        whole = graph.read_bytes()
        graph.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        refused = await client.post(path)
        assert (refused.status_code, refused.json()["code"]) == (500, "invalid_bundle")
        assert "is not the file that was exported" in refused.json()["detail"]
        assert await answering(client, picture_bytes()) == "2"
        graph.write_bytes(whole)
        assert (await client.post(path)).status_code == 200
