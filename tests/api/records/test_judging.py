"""Judging recorded inspections over HTTP, and what it tells."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Any

import httpx
import pytest

from takt.recording.audit.chain import entries_of
from takt.recording.audit.entry import Entry
from takt.recording.record import Record
from tests.api.keys import KEYS, bearer
from tests.recorded import insert_inspections

REJECT: dict[str, Any] = {"anomalous": True, "score": 0.75, "kept": "reject", "picture": True}
JUDGEMENTS = "/v1/inspections/judgements"
WITHDRAW = f"{JUDGEMENTS}/withdraw"


def entries(record: Record) -> list[Entry]:
    """The entries of the audit log, but for those of the server itself."""
    return [entry for entry in entries_of(record.database) if entry.who != "server"]


@pytest.fixture
def ids(sqlite_record: Record) -> list[int]:
    return insert_inspections(sqlite_record, [REJECT, REJECT, {"score": 0.1, "kept": "sample"}])


def answered(response: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert body.pop("request_id")
    return body


@pytest.mark.parametrize("name", ["server", "File", "folder", "anyone", "oidc:ann"])
async def test_nobody_is_called_as_the_server_is_where_callers_are_not_known(
    serve, sqlite_record, ids, name: str
) -> None:
    said = {"ids": ids[:1], "judgement": "defect", "reviewer": name}
    async with serve(record=sqlite_record) as client:
        refused = answered(await client.post(JUDGEMENTS, json=said), 422)
        assert "give another name" in refused["detail"]
        done = await client.post(JUDGEMENTS, json=said | {"reviewer": "ann"})
        assert answered(done)["reviewer"] == "ann"


async def test_the_caller_judges_by_the_name_of_its_key(serve, sqlite_record, ids) -> None:
    said = {"ids": ids[:2], "judgement": "defect", "kind": "scratch", "note": "left edge"}
    async with serve(keys=KEYS, record=sqlite_record) as client:
        done = await client.post(JUDGEMENTS, json=said, headers=bearer("reviewer"))
        assert answered(done) == {"inspections": 2, "reviewer": "reviewer"}
        by_another_name = await client.post(
            JUDGEMENTS, json=said | {"reviewer": "ann"}, headers=bearer("reviewer")
        )
        assert "leave it out" in answered(by_another_name, 422)["detail"]
        back = await client.post(WITHDRAW, json={"ids": ids[:1]}, headers=bearer("reviewer"))
        assert answered(back)["inspections"] == 1
        twice = await client.post(WITHDRAW, json={"ids": ids[:2]}, headers=bearer("reviewer"))
        assert answered(twice, 409)["code"] == "conflict"
        path = f"/v1/inspections/{ids[0]}/judgements"
        found = answered(await client.get(path, headers=bearer("scraper")))
    assert [one["judgement"] for one in found["said"]] == ["defect", "withdrawn"]
    assert found["said"][0]["kind"] == "scratch"
    assert found["standing"] == []
    assert [one["reviewer"] for one in found["seen"]] == ["reviewer"]
    assert [entry.who for entry in entries(sqlite_record)] == ["reviewer"] * 2


async def test_who_may_judge_may_change_no_threshold_and_no_version(
    serve, sqlite_record, ids
) -> None:
    async with serve(keys=KEYS, record=sqlite_record) as client:
        for method, path in (
            ("PUT", "/v1/models/parts/threshold"),
            ("POST", "/v1/models/parts/rollback"),
            ("GET", "/v1/review/confusion"),
        ):
            refused = await client.request(method, path, headers=bearer("reviewer"), json={})
            assert answered(refused, 403)["code"] == "insufficient_scope"
        for caller in ("camera", "engineer", "scraper"):
            refused = await client.post(
                JUDGEMENTS, headers=bearer(caller), json={"ids": ids, "judgement": "good"}
            )
            assert answered(refused, 403)["code"] == "insufficient_scope"


async def test_without_keys_a_request_may_say_who_judges(serve, sqlite_record, ids) -> None:
    async with serve(record=sqlite_record) as client:
        named = {"ids": ids, "judgement": "good", "reviewer": "ann"}
        assert answered(await client.post(JUDGEMENTS, json=named))["reviewer"] == "ann"
        unnamed = {"ids": ids, "judgement": "good"}
        assert answered(await client.post(JUDGEMENTS, json=unnamed))["reviewer"] == "anyone"
        seen = answered(await client.post("/v1/inspections/seen", json={"ids": ids}))
        assert seen == {"new": 0, "reviewer": "anyone"}
        seen = await client.post("/v1/inspections/seen", json={"ids": ids, "reviewer": "bob"})
        assert answered(seen)["new"] == 3


async def test_an_unknown_inspection_is_named_and_none_is_judged(serve, sqlite_record, ids) -> None:
    async with serve(record=sqlite_record) as client:
        refused = await client.post(JUDGEMENTS, json={"ids": [*ids, 77], "judgement": "good"})
        assert answered(refused, 404)["code"] == "inspection_not_found"
        assert "no inspection 77; nothing was changed" in refused.text
        found = answered(await client.get(f"/v1/inspections/{ids[0]}/judgements"))
        assert found["said"] == []


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"ids": None}, "ids: name inspections by ids, or the one of a request by request_id"),
    ({"request_id": "a"}, "ids: name inspections by ids, or the one of a request by request_id"),
    ({"ids": None, "request_id": ""}, "request_id: String should have at least 1 character"),
    ({"ids": None, "request_id": "a\0"}, "request_id: control characters"),
    ({"box": [1, 2, 3]}, "box: List should have at least 4 items"),
    ({"box": [0, 0, -1, 1]}, "box.2: Input should be greater than or equal to 0"),
    ({"box": [0, 0, 0, 1]}, "box: [0, 0, 0, 1] is no rectangle"),
    ({"box": [0, 0, 1.5, 1]}, "box.2: Input should be a valid integer"),
    ({"box": {"x": 1}}, "box: Input should be a valid array"),
    ({"box": [0, 0, 1, 1], "judgement": "good"}, "box: a good part has no defect"),
    ({"ids": []}, "ids: List should have at least 1 item"),
    ({"ids": list(range(1, 1002))}, "ids: List should have at most 1000 items"),
    ({"ids": [0]}, "ids.0: Input should be greater than or equal to 1"),
    ({"ids": ["1"]}, "ids.0: Input should be a valid integer"),
    ({"judgement": "bad"}, "judgement: Input should be 'defect', 'good' or 'unsure'"),
    ({"judgement": "good", "kind": "dent"}, "kind: a good part has no kind of defect"),
    ({"note": "\n"}, "note: write 1 to 500 characters"),
    ({"note": "a\x1b[2Jb"}, "note: write it in one line"),
    ({"colour": "red"}, "colour: Extra inputs are not permitted"),
]


async def test_a_box_marks_the_defect_of_one_inspection(serve, sqlite_record, ids) -> None:
    said = {"judgement": "defect", "box": [4, 8, 60, 40]}
    async with serve(record=sqlite_record) as client:
        assert answered(await client.post(JUDGEMENTS, json=said | {"ids": ids[:1]}))
        several = await client.post(JUDGEMENTS, json=said | {"ids": ids})
        assert "judge one inspection at a time" in answered(several, 422)["detail"]
        outside = await client.post(JUDGEMENTS, json=said | {"ids": ids[:1], "box": [5, 8, 60, 40]})
        assert "x + width is at most 64" in answered(outside, 422)["detail"]
        found = answered(await client.get(f"/v1/inspections/{ids[0]}/judgements"))
    assert [one["box"] for one in found["said"]] == [[4, 8, 60, 40]]
    assert found["standing"] == found["said"]


async def test_a_picture_that_was_never_inspected_is_sent_and_judged_by_its_request(
    serve, sqlite_record, picture_bytes
) -> None:
    picture = picture_bytes(200)
    digest = hashlib.sha256(picture).hexdigest()
    async with serve(record=sqlite_record) as client:
        found = (await client.get("/v1/inspections", params={"sha256": digest})).json()
        assert found["inspections"] == []
        answer = (await client.post("/v1/models/parts/inspect", content=picture)).json()
        said = {
            "request_id": answer["request_id"],
            "judgement": "defect",
            "kind": "dent",
            "box": [0, 0, answer["image"]["width"], answer["image"]["height"]],
        }
        async with asyncio.timeout(60):
            # The record is written beside the answers: a client asks again until it is there.
            while (done := await client.post(JUDGEMENTS, json=said)).status_code == 404:
                assert answered(done, 404)["code"] == "inspection_not_found"
        assert answered(done) == {"inspections": 1, "reviewer": "anyone"}
        page = (await client.get("/v1/inspections", params={"sha256": digest.upper()})).json()
        (stored,) = page["inspections"]
        assert (stored["judgement"], stored["sha256"]) == ("defect", digest)
        of_one = answered(await client.get(f"/v1/inspections/{stored['id']}/judgements"))
        assert of_one["standing"][0]["box"] == said["box"]
        unknown = await client.post(JUDGEMENTS, json=said | {"request_id": "never"})
        assert "so ask again in a second" in answered(unknown, 404)["detail"]


async def test_what_cannot_be_kept_is_refused_by_its_name(serve, sqlite_record) -> None:
    async with serve(record=sqlite_record) as client:
        for changed, says in REFUSED:
            body = {"ids": [1], "judgement": "defect"} | changed
            assert says in answered(await client.post(JUDGEMENTS, json=body), 422)["detail"]


async def test_a_picture_is_pinned_and_let_go(serve, sqlite_record) -> None:
    # Of now: retention may let go of an older one before it is pinned.
    now_us = time.time_ns() // 1000
    ids = insert_inspections(sqlite_record, [REJECT | {"at_us": now_us}, {"at_us": now_us}])
    path = f"/v1/inspections/{ids[0]}/pin"
    async with serve(record=sqlite_record) as client:
        for _ in range(2):
            assert answered(await client.put(path)) == {"id": ids[0], "pinned": True}
        assert answered(await client.delete(path)) == {"id": ids[0], "pinned": False}
        without = await client.put(f"/v1/inspections/{ids[1]}/pin")
        assert answered(without, 404)["code"] == "inspection_not_found"
        assert answered(await client.put("/v1/inspections/0/pin"), 422)
        actions = [entry.action for entry in entries(sqlite_record)]
    assert actions == ["picture_pinned", "picture_unpinned"]


async def test_verdicts_are_compared_with_judgements(serve, sqlite_record, ids) -> None:
    async with serve(record=sqlite_record) as client:
        for judged, word in ((ids[:1], "defect"), (ids[1:], "good")):
            await client.post(JUDGEMENTS, json={"ids": judged, "judgement": word})
        found = answered(await client.get("/v1/review/confusion", params={"per": "week"}))
        assert found["whole"]["counts"] == {
            "true_rejects": 1,
            "false_rejects": 1,
            "slips": 0,
            "true_passes": 1,
            "unsure": 0,
        }
        assert found["whole"]["false_alarms"]["value"] == 0.5
        (week,) = found["buckets"]
        assert week["since"] == "2026-02-23T00:00:00.000000Z"
        assert week["figures"]["inspections"] == 3
        none = await client.get("/v1/review/confusion", params={"model": "nut"})
        assert answered(none)["buckets"] == []
        typo = await client.get("/v1/review/confusion", params={"modell": "nut"})
        assert answered(typo, 422)


async def test_a_threshold_is_proposed_and_nothing_is_changed(serve, sqlite_record) -> None:
    good = [{"score": n / 100, "kept": "sample", "judgement": "good"} for n in range(1, 20)]
    insert_inspections(sqlite_record, [*good, REJECT | {"judgement": "defect"}])
    asked = {"model": "bolt", "version": "1", "alpha": "0.1"}
    async with serve(record=sqlite_record) as client:
        found = answered(await client.get("/v1/review/threshold", params=asked))
        assert (found["threshold"], found["given"]) == (pytest.approx(0.18), False)
        assert found["flips_all"] == {"to_pass": 0, "to_reject": 1}
        assert found["after"]["counts"]["false_rejects"] == 1
        few = await client.get("/v1/review/threshold", params=asked | {"alpha": "0.01"})
        assert answered(few, 409)["code"] == "calibration"
        unnamed = await client.get("/v1/review/threshold", params={"model": "bolt"})
        assert "name the model and its version" in answered(unnamed, 422)["detail"]
        assert entries(sqlite_record) == []


async def test_a_given_threshold_is_told_what_it_would_have_changed(serve, sqlite_record) -> None:
    passes = [{"score": n / 100, "kept": None} for n in range(1, 50)]
    judged = [REJECT | {"judgement": word} for word in ("good", "defect", "unsure")]
    insert_inspections(sqlite_record, [*passes, REJECT, *judged])
    asked = {"model": "bolt", "version": "1", "threshold": "0.8"}
    async with serve(record=sqlite_record) as client:
        found = answered(await client.get("/v1/review/threshold", params=asked))
        assert (found["given"], found["alpha"]) == (True, None)
        assert (found["threshold"], found["in_force"]) == (0.8, 0.5)
        assert (found["good"], found["defects"]) == (1, 1)
        assert found["flips_all"] == {"to_pass": 4, "to_reject": 0}
        for judgement in ("good", "defects", "unsure"):
            assert found[f"flips_{judgement}"] == {"to_pass": 1, "to_reject": 0}
        assert (found["before"]["rejects"], found["after"]["rejects"]) == (4, 0)
        lower = asked | {"threshold": "0.25", "verdict": "pass"}
        found = answered(await client.get("/v1/review/threshold", params=lower))
        # None of them is judged: a proposal would be refused.
        assert found["flips_all"] == {"to_pass": 0, "to_reject": 24}
        assert (found["good"], found["defects"]) == (0, 0)
        assert entries(sqlite_record) == []


async def test_a_given_threshold_that_nothing_tells_of_is_refused_with_what_to_do(
    serve, sqlite_record, ids
) -> None:
    asked = {"model": "bolt", "version": "1", "threshold": "0.8"}
    async with serve(record=sqlite_record) as client:
        for changed, status, says in (
            ({"version": "7"}, 404, "no such inspections of bolt, version 7"),
            ({"alpha": "0.1"}, 422, "threshold: a given one is not proposed; leave out rule and"),
            ({"rule": "best-f1"}, 422, "threshold: a given one is not proposed"),
            ({"threshold": "nan"}, 422, "threshold: Input should be a finite number"),
        ):
            refused = await client.get("/v1/review/threshold", params=asked | changed)
            assert says in answered(refused, status)["detail"]
        unnamed = {"model": "bolt", "threshold": "0.8"}
        refused = await client.get("/v1/review/threshold", params=unnamed)
        assert "name the model and its version" in answered(refused, 422)["detail"]


async def test_disagreements_are_listed(serve, sqlite_record, ids) -> None:
    async with serve(record=sqlite_record) as client:
        for reviewer, word in (("ann", "good"), ("bob", "defect")):
            said = {"ids": ids[:2], "judgement": word, "reviewer": reviewer}
            await client.post(JUDGEMENTS, json=said)
        found = answered(await client.get("/v1/review/disagreements", params={"limit": 1}))
        assert [one["id"] for one in found["inspections"]] == [ids[1]]
        opinions = found["inspections"][0]["opinions"]
        assert [one["reviewer"] for one in opinions] == ["ann", "bob"]
        older = await client.get("/v1/review/disagreements", params={"before": ids[1]})
        assert [one["id"] for one in answered(older)["inspections"]] == [ids[0]]


async def test_a_server_without_a_record_says_so(serve) -> None:
    async with serve() as client:
        for method, path in (
            ("POST", JUDGEMENTS),
            ("GET", "/v1/review/confusion"),
            ("PUT", "/v1/inspections/1/pin"),
        ):
            body = {"ids": [1], "judgement": "good"}
            refused = await client.request(method, path, json=body)
            assert answered(refused, 404)["code"] == "no_record"
