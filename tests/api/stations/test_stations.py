"""Stations say how they fare, and hear which recipe is wanted of them."""

from __future__ import annotations

from takt.core.bundles.bundle import Bundle
from takt.recording.record import Record
from tests.api.keys import KEYS, bearer
from tests.api.multiview.conftest import save
from tests.api.stations.reports import REPORT, RESULT

URL = "/v1/stations/press-1"


async def test_a_station_is_seen_as_it_says_it_fares(serve) -> None:
    async with serve() as client:
        assert (await client.get("/v1/stations")).json()["stations"] == []
        answer = await client.put(URL, json=REPORT)
        assert (answer.status_code, answer.json()["wish"]) == (200, None)
        (listed,) = (await client.get("/v1/stations")).json()["stations"]
        assert (listed["name"], listed["state"], listed["plc"]) == (
            "press-1",
            "online",
            REPORT["plc"],
        )
        assert "results" not in listed
        found = (await client.get(URL)).json()["station"]
        assert found["results"] == [{**RESULT, "decided_by": None, "witness": None}]
        assert found["counts"] == REPORT["counts"]
        assert found["silent_ms"] < 60_000
        await client.put(URL, json={**REPORT, "online": False, "offline_reason": "camera"})
        assert (await client.get(URL)).json()["station"]["state"] == "offline"


async def test_a_list_and_a_station_say_alike_whether_parts_flow(serve) -> None:
    gone = {"connected": False, "heard_at": None}
    good = {**RESULT, "result": "ok", "reason": None}
    async with serve() as client:
        for flow, changed in (
            ("flowing", {"results": [good, RESULT]}),
            ("undecided", {}),
            ("waiting", {"results": []}),
            ("no_plc", {"plc": gone}),
            ("camera", {"online": False, "offline_reason": "camera", "plc": gone}),
            # Moments that a station of others may say.
            ("undecided", {"plc": {"connected": True, "heard_at": None}}),
            ("undecided", {"plc": {"connected": True, "heard_at": "2026-11-30T07:00:00"}}),
            ("engine", {"online": False, "offline_reason": None}),
        ):
            await client.put(URL, json={**REPORT, **changed})
            (listed,) = (await client.get("/v1/stations")).json()["stations"]
            found = (await client.get(URL)).json()["station"]
            assert (listed["flow"], found["flow"]) == (flow, flow)


async def test_a_report_is_taken_whole_or_refused(serve) -> None:
    async with serve() as client:
        for wrong in (
            {**REPORT, "mood": "good"},
            {**REPORT, "offline_reason": "tired"},
            {**REPORT, "results": [RESULT] * 51},
            {key: one for key, one in REPORT.items() if key != "plc"},
        ):
            refused = await client.put(URL, json=wrong)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
        huge = await client.put(URL, content=b" " * (64 * 1024 + 1))
        assert (huge.status_code, "65536 bytes" in huge.json()["detail"]) == (422, True)
        full = await client.put(URL, json={**REPORT, "results": [RESULT] * 50})
        assert full.status_code == 200
        unknown = await client.get("/v1/stations/press-2")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "station_not_found")


async def test_a_recipe_is_told_to_its_station_until_that_has_taken_it_and_is_audited(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        await client.put(URL, json=REPORT)
        asked = await client.post(f"{URL}/recipe", json={"number": 7, "reason": "next lot"})
        assert asked.status_code == 200, asked.text
        wish = asked.json()["wish"]
        assert (asked.json()["recipe"], wish["number"]) == ("bracket", 7)
        for _ in range(2):
            assert (await client.put(URL, json=REPORT)).json()["wish"] == wish
        assert (await client.get(URL)).json()["station"]["wish"] == wish
        taken = await client.put(URL, json={**REPORT, "taken": wish["sequence"]})
        assert taken.json()["wish"] is None
        assert (await client.get(URL)).json()["station"]["wish"] is None
        later = await client.post(f"{URL}/recipe", json={"number": 7})
        assert later.json()["wish"]["sequence"] > wish["sequence"]
        entries = (await client.get("/v1/audit")).json()["entries"]
    changed = [one for one in entries if one["action"] == "station_recipe_changed"]
    assert [one["reason"] for one in changed] == [None, "next lot"]
    assert changed[0]["new"] == {"station": "press-1", "recipe": "bracket", "number": 7}


async def test_a_recipe_that_cannot_be_put_in_force_is_not_wanted(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        unknown = await client.post(f"{URL}/recipe", json={"number": 7})
        assert (unknown.status_code, unknown.json()["code"]) == (404, "station_not_found")
        await client.put(URL, json=REPORT)
        absent = await client.post(f"{URL}/recipe", json={"number": 7})
        assert (absent.status_code, absent.json()["code"]) == (404, "recipe_not_found")
        assert (await client.put(URL, json=REPORT)).json()["wish"] is None
    async with serve() as client:
        await client.put(URL, json=REPORT)
        nowhere = await client.post(f"{URL}/recipe", json={"number": 7})
        assert nowhere.json()["code"] == "no_record"


async def test_a_key_reports_reads_or_changes_by_its_scope(serve) -> None:
    async with serve(keys=KEYS) as client:
        for key, allowed in (
            ("camera", ["PUT"]),
            ("scraper", ["GET"]),
            ("reviewer", []),
            ("engineer", ["POST"]),
        ):
            answers = {
                "PUT": await client.put(URL, json=REPORT, headers=bearer(key)),
                "GET": await client.get(URL, headers=bearer(key)),
                "POST": await client.post(f"{URL}/recipe", json={"number": 7}, headers=bearer(key)),
            }
            let = [name for name, one in answers.items() if one.status_code != 403]
            assert let == allowed, key


async def test_metrics_tell_which_stations_are_well(serve) -> None:
    async with serve() as client:
        await client.put(URL, json=REPORT)
        away = {**REPORT, "online": False, "offline_reason": "fault"}
        await client.put("/v1/stations/press-2", json=away)
        text = (await client.get("/metrics")).text
    assert 'takt_station_up{station="press-1"} 1.0' in text
    assert 'takt_station_up{station="press-2"} 0.0' in text
