import asyncio
import json
import re
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from takt.core.bundles.bundle import Bundle, Calibration
from takt.core.bundles.manifest import Thresholds
from takt.core.bundles.thresholds import OVERRIDES
from takt.core.bundles.writing import replace_calibration

INSPECT = "/v1/models/parts/inspect"
THRESHOLD = "/v1/models/parts/threshold"


async def deployed(client: httpx.AsyncClient, version: int = 0) -> dict:
    return (await client.get("/v1/models/parts")).json()["versions"][version]["thresholds"]


async def samples(client: httpx.AsyncClient, name: str) -> dict[str, float]:
    families = text_string_to_metric_families((await client.get("/metrics")).text)
    return {
        ",".join(sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


async def test_a_new_threshold_judges_the_next_picture(serve, bad_part) -> None:
    async with serve() as client:
        answer = (await client.post(INSPECT, content=bad_part)).json()
        assert (answer["anomalous"], len(answer["regions"])) == (True, 1)
        score = answer["score"]

        changed = await client.put(THRESHOLD, json={"image": 0.9})
        assert changed.status_code == 200
        body = changed.json()
        assert body["old"] == {"image": 0.5, "pixel": 0.5, "undecided": False}
        assert body["new"] == {"image": 0.9, "pixel": 0.5, "undecided": False}
        assert (body["model"], body["version"], body["persisted"]) == ("parts", "1", True)
        assert body["request_id"] == changed.headers["x-request-id"]

        answer = (await client.post(INSPECT, content=bad_part)).json()
        assert (answer["score"], answer["threshold"]) == (score, 0.9)
        assert (answer["anomalous"], len(answer["regions"])) == (True, 1)
        await client.put(THRESHOLD, json={"pixel": 0.9})
        answer = (await client.post(INSPECT, content=bad_part)).json()
        assert (answer["anomalous"], answer["regions"]) == (False, [])
        own = await client.post(INSPECT, content=bad_part, params={"threshold": 0.1})
        assert own.json()["anomalous"] is True


async def test_an_override_survives_a_restart_and_tells_where_it_comes_from(
    serve, bundle: Bundle, bad_part, caplog
) -> None:
    async with serve() as client:
        assert (await deployed(client))["origin"]["image"] == {
            "source": "bundle",
            "since": bundle.manifest.created_at,
            "reason": None,
            "bundle": 0.5,
        }
        await client.put(THRESHOLD, json={"image": 0.9, "reason": "new lamp"})
    async with serve() as client:
        found = await deployed(client)
        assert (found["image"], found["pixel"]) == (0.9, 0.5)
        assert found["origin"]["pixel"]["source"] == "bundle"
        by_score = {"pixel_threshold": 9}
        since = found["origin"]["image"].pop("since")
        assert since.endswith("+00:00")
        assert found["origin"]["image"] == {
            "source": "override",
            "reason": "new lamp",
            "bundle": 0.5,
        }
        answer = await client.post(INSPECT, content=bad_part, params=by_score)
        assert answer.json()["anomalous"] is False
        back = (await client.delete(THRESHOLD)).json()
        assert (back["old"]["image"], back["new"]["image"]) == (0.9, 0.5)
        answer = await client.post(INSPECT, content=bad_part, params=by_score)
        assert answer.json()["anomalous"] is True
    assert not (bundle.path / OVERRIDES).exists()
    assert "another image threshold than its bundle's, 0.9" in caplog.text


async def test_a_read_only_folder_keeps_the_change_in_memory(serve, monkeypatch) -> None:
    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("takt.core.bundles.thresholds.write_atomically", read_only)

    async with serve() as client:
        body = (await client.put(THRESHOLD, json={"image": 0.9})).json()
        assert (body["persisted"], (await deployed(client))["image"]) == (False, 0.9)


async def test_one_version_is_changed_and_the_active_one_unless_one_is_named(
    serve, make_bundle
) -> None:
    make_bundle(version="2")

    async with serve() as client:
        async with asyncio.timeout(60):
            while (await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0)
        assert (await client.put(THRESHOLD, json={"image": 0.9})).json()["version"] == "2"
        named = "/v1/models/parts/versions/1/threshold"
        assert (await client.put(named, json={"image": 0.8})).json()["version"] == "1"
        assert [(await deployed(client, v))["image"] for v in (0, 1)] == [0.8, 0.9]
        assert (await client.delete(named)).json()["new"]["image"] == 0.5
        assert [(await deployed(client, v))["image"] for v in (0, 1)] == [0.5, 0.9]


async def test_two_changes_at_once_both_hold(serve) -> None:
    async with serve() as client:
        answers = await asyncio.gather(
            *(client.put(THRESHOLD, json={kind: 0.9}) for kind in ("image", "pixel"))
        )
        assert {answer.status_code for answer in answers} == {200}
        found = await deployed(client)
        assert (found["image"], found["pixel"]) == (0.9, 0.9)


async def test_what_is_no_threshold_is_refused_and_changes_nothing(
    serve, bundle: Bundle, subtests
) -> None:
    async with serve() as client:
        for body, complaint in (
            ("", "name image, pixel or undecided"),
            ("{", "the body: Invalid JSON"),
            ("[]", "the body"),
            ("{}", "name image, pixel or undecided"),
            ('{"image": null, "pixel": null, "reason": "x"}', "name image, pixel or undecided"),
            ('{"image": NaN}', "image|Invalid JSON"),
            ('{"image": 1e999}', "image: .*finite"),
            ('{"image": -Infinity}', "image|Invalid JSON"),
            ('{"image": "0.4"}', "image"),
            ('{"image": true}', "image"),
            ('{"image": 0.4, "pixle": 1}', "pixle"),
            (json.dumps({"image": 0.4, "reason": "x" * 501}), "reason"),
            (json.dumps({"image": 0.4, "reason": "x" * 20_000}), "the body exceeds 16384 bytes"),
        ):
            with subtests.test(complaint, length=len(body)):
                response = await client.put(THRESHOLD, content=body)
                problem = response.json()
                assert (response.status_code, problem["code"]) == (422, "invalid_parameter")
                assert response.headers["content-type"] == "application/problem+json"
                assert (await deployed(client))["image"] == 0.5
                assert re.search(complaint, problem["detail"])
                assert not (bundle.path / OVERRIDES).exists()


async def test_a_whole_number_is_a_threshold_too(serve) -> None:
    async with serve() as client:
        assert (await client.put(THRESHOLD, json={"image": 1})).json()["new"]["image"] == 1


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_model_that_is_not_there_or_not_ready_has_no_threshold_to_change(
    serve, serve_loading, engines, method: str
) -> None:
    async with serve() as client:
        for url in ("/v1/models/none/threshold", "/v1/models/parts/versions/9/threshold"):
            response = await client.request(method, url, json={"image": 1})
            assert (response.status_code, response.json()["code"]) == (404, "model_not_found")
    engines.clear()
    async with serve_loading() as client:
        response = await client.request(method, THRESHOLD, json={"image": 1})
        assert (response.status_code, response.json()["code"]) == (503, "not_ready")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_whoever_runs_the_server_can_turn_changes_off(serve, method: str) -> None:
    async with serve(threshold_changes=False) as client:
        response = await client.request(method, THRESHOLD, json={"image": 1})
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")
        assert "threshold_changes" in response.json()["detail"]
        assert (await deployed(client))["image"] == 0.5


async def test_a_change_is_logged_with_who_and_why(serve, caplog) -> None:
    async with serve() as client:
        with caplog.at_level("INFO", "takt.audit"):
            await client.put(
                THRESHOLD,
                json={"image": 0.9, "reason": "lamp\nforged"},
                headers={"X-Request-ID": "shift-7"},
            )
            await client.delete(THRESHOLD, params={"reason": "the old lamp is back"})
    put, delete = (r.getMessage() for r in caplog.records if r.name == "takt.audit")
    event, _, facts = put.partition(" ")
    assert (event, json.loads(facts)) == (
        "threshold_changed",
        {
            "action": "PUT",
            "request_id": "shift-7",
            "model": "parts",
            "version": "1",
            "old": {"image": 0.5, "pixel": 0.5, "undecided": False},
            "new": {"image": 0.9, "pixel": 0.5, "undecided": False},
            "persisted": True,
            "reason": "lamp\nforged",
            "caller": "anyone",
            "client": "127.0.0.1",
        },
    )
    assert "\n" not in put
    undone = json.loads(delete.partition(" ")[2])
    assert (undone["action"], undone["reason"]) == ("DELETE", "the old lamp is back")


async def test_the_metrics_show_the_thresholds_in_force_and_count_changes(serve) -> None:
    async with serve() as client:
        assert await samples(client, "takt_threshold") == {
            "image,parts,1": 0.5,
            "pixel,parts,1": 0.5,
        }
        assert await samples(client, "takt_threshold_changes_total") == {
            "image,parts": 0,
            "pixel,parts": 0,
        }
        await client.put(THRESHOLD, json={"image": 0.9, "pixel": 0.8})
        await client.put(THRESHOLD, json={"image": 0.7})
        assert (await samples(client, "takt_threshold"))["image,parts,1"] == 0.7
        await client.put(THRESHOLD, json={"image": None})
        await client.delete(THRESHOLD)
        await client.delete(THRESHOLD)
        assert await samples(client, "takt_threshold") == {
            "image,parts,1": 0.5,
            "pixel,parts,1": 0.5,
        }
        assert await samples(client, "takt_threshold_changes_total") == {
            "image,parts": 3,
            "pixel,parts": 2,
        }


async def test_what_the_thresholds_promise_is_shown_until_somebody_sets_one(
    serve, make_bundle
) -> None:
    promise = Thresholds(image=0.5, pixel=0.5, method="tests", alpha=0.01, good_count=40)
    make_bundle(version="2", thresholds=promise)
    async with serve() as client:
        await client.post("/v1/models/parts/versions/2/activate")
        # The first one was found by hand, and promises nothing.
        shown = {"parts,1": 1, "parts,2": 0.01}
        assert await samples(client, "takt_promised_reject_ratio") == shown
        await client.put("/v1/models/parts/versions/2/threshold", json={"pixel": 0.5})
        ratio = await samples(client, "takt_promised_reject_ratio")
        assert ratio == {"parts,1": 1, "parts,2": 1}
        await client.delete("/v1/models/parts/versions/2/threshold")
        assert await samples(client, "takt_promised_reject_ratio") == shown


async def test_many_more_rejects_than_promised_are_a_condition_of_the_status(
    serve, repository, make_bundle, picture_bytes
) -> None:
    promise = Thresholds(image=0.5, pixel=0.5, method="tests", alpha=0.01, good_count=40)
    make_bundle(name="nuts", thresholds=promise)
    async with serve() as client:

        async def held() -> list[dict[str, Any]]:
            conditions = (await client.get("/v1/status")).json()["conditions"]
            return [one for one in conditions if one["name"] == "TaktRejectRateHigh"]

        assert await held() == []
        for level in (*[50] * 10, *[200] * 6):
            body = picture_bytes(level)
            answer = await client.post("/v1/models/nuts/inspect", content=body)
            assert answer.json()["anomalous"] is (level == 200)
        async with asyncio.timeout(60):
            # Whoever asks often is told of the same reading for a second.
            while not (conditions := await held()):
                await asyncio.sleep(0.01)
        (found,) = conditions
        assert found["labels"] == {"model": "nuts"}
        assert "nuts has rejected 38 % of the last 15 minutes' pictures" in found["text"]
        help_ = (await client.get("/v1/status/conditions/TaktRejectRateHigh")).json()
        assert help_["sections"][0]["title"] == "TaktRejectRateHigh"


async def test_overrides_that_cannot_be_understood_keep_the_model_from_serving(
    serve, bundle: Bundle
) -> None:
    (bundle.path / OVERRIDES).write_text("{")

    async with serve() as client:
        (model,) = (await client.get("/health/ready")).json()["models"]
        assert model["state"] == "failed"
        assert "delete it to go back to the bundle's own" in model["reason"]


async def test_threshold_and_percentile_follow_a_new_calibration(
    serve, bundle: Bundle, bad_part
) -> None:
    async with serve() as client:
        answer = (await client.post(INSPECT, content=bad_part)).json()
        assert answer["percentile"] == 100
    good = np.linspace(0.5, 0.9, 41, dtype=np.float32)  # 0.01 apart
    none = np.zeros(0, np.float32)
    own = bundle.manifest.thresholds.model_copy(
        update={"image": 0.88, "pixel": 0.88, "found_at": "2026-02-02T00:00:00+00:00"}
    )
    replace_calibration(bundle, Calibration(good, good, none, none), own, map_low=0.1)
    async with serve() as client:
        again = (await client.post(INSPECT, content=bad_part)).json()
        assert again["score"] == answer["score"] == pytest.approx(200 / 255)
        assert (again["threshold"], again["anomalous"]) == (0.88, False)
        assert again["percentile"] == pytest.approx(100 * 29 / 41)  # up to 0.78
        found = await deployed(client)
        assert found["origin"]["image"]["since"] == "2026-02-02T00:00:00+00:00"
