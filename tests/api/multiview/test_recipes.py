"""Recipes: saved with what holds for them, every change a revision."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sqlalchemy import select, update

from takt.core.bundles.bundle import Bundle, Calibration
from takt.core.bundles.manifest import Thresholds
from takt.core.bundles.writing import replace_calibration
from takt.multiview.recipe import PartRecipe
from takt.recording.multiview.recipes import current_recipes, save_recipe
from takt.recording.record import Record, open_record
from takt.recording.tables import recipes
from tests.api.keys import KEYS, bearer
from tests.api.multiview.conftest import RECIPE, save

URL = "/v1/recipes/bracket"


async def test_a_recipe_keeps_the_version_and_the_thresholds_that_hold_when_it_is_saved(
    serve, make_bundle, sqlite_record: Record
) -> None:
    make_bundle(version="2")
    async with serve(record=sqlite_record) as client:
        await client.post("/v1/models/parts/versions/2/activate")
        saved = await save(client)
        assert (saved["name"], saved["number"], saved["revision"]) == ("bracket", 7, 1)
        top, side = saved["views"]
        assert (top["model"], top["version"], top["camera"]) == ("parts", "2", {"exposure_us": 900})
        assert len(top["graph"]) == 64
        judged = top["thresholds"]
        # Each of two views may reject half of the tenth: the second highest of 40 good scores.
        assert (judged["source"], judged["alpha"], judged["good_count"]) == (
            "calibration",
            0.05,
            40,
        )
        assert judged["image"] == pytest.approx(0.48)
        assert judged["part_count"] is None
        assert side["thresholds"] == judged
        assert (await client.get(URL)).json()["recipe"] == saved
        assert (await client.get("/v1/recipes")).json()["recipes"] == [saved]


async def test_every_change_is_a_revision_and_what_says_the_same_is_none(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        first = await save(client)
        assert (await save(client))["revision"] == 1
        second = await save(client, deadline_ms=500, reason="a faster line")
        assert (second["revision"], second["reason"]) == (2, "a faster line")
        assert (await client.get(URL)).json()["recipe"]["deadline_ms"] == 500
        before = await client.get(URL, params={"revision": 1})
        assert before.json()["recipe"] == first
        entries = (await client.get("/v1/audit")).json()["entries"]
    changes = [one for one in entries if one["action"] == "recipe_changed"]
    assert [one["new"]["revision"] for one in changes] == [2, 1]
    assert changes[0]["old"]["deadline_ms"] == 60_000
    assert changes[0]["reason"] == "a faster line"


async def test_a_removed_recipe_is_unknown_and_its_revisions_stay(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        removed = await client.delete(URL, params={"reason": "no such parts any more"})
        assert (removed.status_code, removed.json()["revision"]) == (200, 2)
        for answer in (await client.get(URL), await client.delete(URL)):
            assert (answer.status_code, answer.json()["code"]) == (404, "recipe_not_found")
        assert (await client.get(URL, params={"revision": 1})).status_code == 200
        assert (await client.get("/v1/recipes")).json()["recipes"] == []
        assert (await save(client))["revision"] == 3


async def test_a_change_of_a_revision_that_somebody_has_replaced_is_refused(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client, revision=0)
        other = await save(client, deadline_ms=500, revision=1)
        assert other["revision"] == 2
        late = await client.put(URL, json={**RECIPE, "deadline_ms": 700, "revision": 1})
        assert (late.status_code, late.json()["code"]) == (409, "recipe_changed")
        assert "is at revision 2 by now, saved by anyone" in late.json()["detail"]
        new = await client.put(URL, json={**RECIPE, "revision": 0})
        assert (new.status_code, new.json()["code"]) == (409, "recipe_changed")
        removed = await client.delete(URL, params={"revision": 1})
        assert (removed.status_code, removed.json()["code"]) == (409, "recipe_changed")
        assert (await client.get(URL)).json()["recipe"] == other
        assert (await save(client, deadline_ms=700, revision=2))["revision"] == 3


async def test_a_change_that_is_there_already_is_answered_again_whatever_was_seen(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        for _ in range(2):
            assert (await save(client, deadline_ms=500, revision=1))["revision"] == 2


async def test_a_recipe_that_was_removed_meanwhile_is_not_saved_by_whoever_has_not_seen_that(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        assert (await client.delete(URL, params={"revision": 1})).status_code == 200
        late = await client.put(URL, json={**RECIPE, "revision": 1})
        assert (late.status_code, late.json()["code"]) == (409, "recipe_changed")
        assert "no recipe 'bracket' any more" in late.json()["detail"]
        assert (await save(client, revision=0))["revision"] == 3


async def test_the_revisions_of_a_recipe_are_listed_the_latest_first(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        first = await save(client)
        await client.delete(URL, params={"reason": "no such parts any more"})
        third = await save(client)
        listed = (await client.get(f"{URL}/revisions")).json()
        assert listed["name"] == "bracket"
        told = [(one["revision"], one["reason"]) for one in listed["revisions"]]
        assert told == [(3, None), (2, "no such parts any more"), (1, None)]
        recipes = [one["recipe"] for one in listed["revisions"]]
        assert recipes == [third, None, first]
        page = await client.get(f"{URL}/revisions", params={"before": 3, "limit": 1})
        assert [one["revision"] for one in page.json()["revisions"]] == [2]
        end = await client.get(f"{URL}/revisions", params={"before": 1})
        assert end.json()["revisions"] == []
        unknown = await client.get("/v1/recipes/nut/revisions")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "recipe_not_found")


async def test_a_recipe_tells_which_views_have_another_graph_by_now(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        assert (await save(client))["outdated"] == []
        await client.put(URL, json={**RECIPE, "deadline_ms": 500})
        with sqlite_record.database.writing(durable=True) as connection:
            for row in connection.execute(select(recipes.c.id, recipes.c.content)).all():
                content = json.loads(row.content)
                content["views"][1]["graph"] = "0" * 64
                changed = {"content": json.dumps(content)}
                connection.execute(update(recipes).where(recipes.c.id == row.id).values(changed))
        assert (await client.get(URL)).json()["recipe"]["outdated"] == ["side"]
        again = await save(client, deadline_ms=500)
        assert (again["revision"], again["outdated"]) == (3, [])


async def test_a_number_belongs_to_one_recipe(serve, bundle: Bundle, sqlite_record: Record) -> None:
    async with serve(record=sqlite_record) as client:
        await save(client)
        other = await client.put("/v1/recipes/bolt", json=RECIPE)
        assert (other.status_code, other.json()["code"]) == (409, "number_taken")
        assert "'bracket' has the number 7" in other.json()["detail"]
        await save(client, "bolt", number=8)
        found = (await client.get("/v1/recipes", params={"number": 8})).json()["recipes"]
        assert [one["name"] for one in found] == ["bolt"]
        await client.delete("/v1/recipes/bolt")
        await save(client, "nut", number=8)


async def test_a_pattern_of_codes_belongs_to_one_recipe(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        assert (await save(client))["codes"] == []
        saved = await save(client, codes=["AB-*", "A[CD] ?7"])
        assert (saved["revision"], saved["codes"]) == (2, ["AB-*", "A[CD] ?7"])
        assert (await client.get(URL)).json()["recipe"] == saved
        assert (await save(client, codes=["AB-*", "A[CD] ?7"]))["revision"] == 2
        other = await client.put(
            "/v1/recipes/bolt", json={**RECIPE, "number": 8, "codes": ["AB-*"]}
        )
        assert (other.status_code, other.json()["code"]) == (409, "codes_taken")
        assert "'bracket' has the codes AB-*" in other.json()["detail"]


async def test_a_recipe_that_was_saved_before_there_were_codes_is_still_there(
    serve, bundle: Bundle, sqlite_record: Record, good
) -> None:
    async with serve(record=sqlite_record) as client:
        saved = await save(client)
        with sqlite_record.database.reading() as connection:
            (stored,) = current_recipes(connection)
        assert stored.content is not None
        before = {name: said for name, said in stored.content.items() if name != "codes"}
        who = {"who": "leader", "reason": None, "client": None}
        save_recipe(sqlite_record.database, "bracket", before, **who)
        found = (await client.get("/v1/recipes")).json()["recipes"]
        assert [(one["revision"], one["codes"]) for one in found] == [(saved["revision"] + 1, [])]
        answer = await client.post("/v1/parts/A/views/top?recipe=bracket", content=good)
        assert answer.status_code == 200


async def test_a_recipe_that_its_calibration_cannot_carry_is_refused_with_what_it_needs(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        refused = await client.put(URL, json={**RECIPE, "alpha": 0.01})
        assert (refused.status_code, refused.json()["code"]) == (422, "too_few_pictures")
        assert "needs 199" in refused.json()["detail"]
        # 40 pictures carry 2/41 for each of two views, and not less.
        assert (await client.put(URL, json={**RECIPE, "alpha": 0.0487})).status_code == 422
        assert (await client.put(URL, json={**RECIPE, "alpha": 0.0488})).status_code == 200


async def test_thresholds_by_hand_need_no_calibration_and_leave_the_others_their_share(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    top, side = RECIPE["views"]
    by_hand = {**top, "thresholds": {"image": 0.3, "pixel": 1e30}}
    async with serve(record=sqlite_record) as client:
        saved = await save(client, views=[by_hand, side])
        first, second = (one["thresholds"] for one in saved["views"])
    assert (first["image"], first["source"], first["alpha"]) == (0.3, "hand", None)
    assert (second["source"], second["alpha"]) == ("calibration", 0.1)


OWN = {"image": 0.47, "pixel": 0.48, "method": "split conformal", "alpha": 0.1, "good_count": 40}
"""What a model of tests judges by; its calibration on the common scale gives another threshold."""


async def test_a_single_view_judges_as_its_model_does(
    serve, make_bundle, sqlite_record: Record
) -> None:
    make_bundle("own", thresholds=Thresholds(**OWN))
    top, url = {"name": "top", "model": "own"}, "/v1/models/own/threshold"
    by_hand = {"name": "side", "model": "own", "thresholds": {"image": 0.3, "pixel": 0.3}}
    async with serve(record=sqlite_record) as client:
        for views in ([top], [top, by_hand]):
            judged = (await save(client, views=views))["views"][0]["thresholds"]
            assert (judged["image"], judged["pixel"], judged["alpha"]) == (0.47, 0.48, 0.1)
            assert (judged["source"], judged["good_count"]) == ("calibration", 40)
            assert judged["of_model"] == {"image": 0.47, "pixel": 0.48, "alpha": 0.1}
            assert judged["differs"] is None
        assert (await client.put(url, json={"image": 0.6})).status_code == 200
        kept = (await client.get(URL)).json()["recipe"]["views"][0]["thresholds"]
        assert (kept["image"], kept["of_model"]["image"], kept["differs"]) == (0.47, 0.6, "kept")
        changed = (await save(client, views=[top]))["views"][0]["thresholds"]
        assert (changed["image"], changed["pixel"], changed["differs"]) == (0.6, 0.48, None)
        # What somebody has set promises nothing.
        assert (changed["source"], changed["alpha"]) == ("calibration", None)
        assert (changed["good_count"], changed["of_model"]["alpha"]) == (None, None)


async def test_a_recipe_says_by_how_much_it_judges_otherwise_than_its_model_and_why(
    serve, make_bundle, sqlite_record: Record
) -> None:
    make_bundle("own", thresholds=Thresholds(**OWN))
    make_bundle("unpromised")
    top, side = ({**one, "model": "own"} for one in RECIPE["views"])
    by_hand = {**top, "thresholds": {"image": 0.3, "pixel": 1e30}}
    async with serve(record=sqlite_record) as client:
        for changed, why in (
            ({"views": [top, side]}, ["share", "share"]),
            ({"views": [top], "alpha": 0.2}, ["alpha"]),
            ({"views": [{**top, "model": "unpromised"}]}, ["no_promise"]),
            ({"views": [by_hand, side]}, ["hand", None]),
        ):
            judged = [view["thresholds"] for view in (await save(client, **changed))["views"]]
            assert [one["differs"] for one in judged] == why
            for one in judged:
                own = one["of_model"]
                same = (one["image"], one["pixel"]) == (own["image"], own["pixel"])
                assert same == (one["differs"] is None)


async def test_a_recipe_that_is_only_checked_is_answered_and_not_saved(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        checked = await client.put(URL, json=RECIPE, params={"check": True})
        assert (checked.status_code, checked.json()["recipe"]["revision"]) == (200, 1)
        few = await client.put(URL, json={**RECIPE, "alpha": 0.01}, params={"check": True})
        assert (few.status_code, few.json()["code"]) == (422, "too_few_pictures")
        assert (await client.get("/v1/recipes")).json()["recipes"] == []
        told = checked.json()["recipe"]["views"]
        assert (await save(client))["views"] == told


async def test_views_of_parts_that_all_calibrations_know_are_judged_together(
    serve, make_bundle, sqlite_record: Record
) -> None:
    """40 parts carry 1/41 of them for any number of views; each view alone would need 80."""
    scores, none = np.linspace(0.1, 0.49, 40, dtype=np.float32), np.zeros(0, np.float32)
    parts = np.array([f"A-{number}" for number in range(40)])
    for name in ("tops", "sides"):
        made = make_bundle(name)
        known = Calibration(scores, scores, none, none, parts=parts)
        replace_calibration(made, known, made.manifest.thresholds, map_low=0.1)
    top, side = RECIPE["views"]
    views = [{**top, "model": "tops"}, {**side, "model": "sides"}]
    async with serve(record=sqlite_record) as client:
        saved = await save(client, views=views, alpha=0.025)
        entries = (await client.get("/v1/audit")).json()["entries"]
        few = await client.put(URL, json={**RECIPE, "views": views, "alpha": 0.02})
    (told,) = (one["new"] for one in entries if one["action"] == "recipe_changed")
    assert [one["thresholds"]["differs"] for one in saved["views"]] == ["together"] * 2
    for one in (*saved["views"], *told["views"]):
        judged = one["thresholds"]
        assert (judged["source"], judged["alpha"]) == ("calibration", 0.025)
        assert (judged["good_count"], judged["part_count"]) == (40, 40)
        assert judged["image"] == pytest.approx(0.49)
    assert (few.status_code, few.json()["code"]) == (422, "too_few_pictures")
    assert "pictures of the same 49 parts, which --group tells (now 40)" in few.json()["detail"]
    assert "an alpha of 0.0244 or more" in few.json()["detail"]


async def test_a_recipe_that_was_stored_before_parts_were_counted_is_read(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client:
        saved = await save(client)
    stored = PartRecipe.of({name: saved[name] for name in PartRecipe.__slots__}).json
    for view in stored["views"]:
        del view["thresholds"]["part_count"]
    assert [view.thresholds.part_count for view in PartRecipe.of(stored).views] == [None, None]


async def test_nobody_sets_thresholds_where_the_server_has_fixed_them(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    view = {**RECIPE["views"][0], "thresholds": {"image": 0.3, "pixel": 0.3}}
    async with serve(record=sqlite_record, threshold_changes=False) as client:
        refused = await client.put(URL, json={**RECIPE, "views": [view]})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        await save(client)


async def test_a_recipe_that_says_what_cannot_be_is_refused(
    serve, bundle: Bundle, sqlite_record: Record, subtests
) -> None:
    async with serve(record=sqlite_record) as client:
        for changed, status, code in (
            ({"number": 0}, 422, "invalid_parameter"),
            ({"number": 65_536}, 422, "invalid_parameter"),
            ({"deadline_ms": 0}, 422, "invalid_parameter"),
            ({"alpha": 1}, 422, "invalid_parameter"),
            ({"views": []}, 422, "invalid_parameter"),
            ({"views": [RECIPE["views"][0]] * 2}, 422, "invalid_parameter"),
            ({"views": [{"name": "a/b", "model": "parts"}]}, 422, "invalid_parameter"),
            ({"views": [{"name": "top", "model": "none"}]}, 404, "model_not_found"),
            (
                {"views": [{"name": "top", "model": "parts", "version": "9"}]},
                404,
                "model_not_found",
            ),
            ({"speed": 1}, 422, "invalid_parameter"),
            ({"codes": "AB-*"}, 422, "invalid_parameter"),
            ({"codes": [""]}, 422, "invalid_parameter"),
            ({"codes": ["AB-*", "CD", "AB-*"]}, 422, "invalid_parameter"),
            ({"codes": [" AB"]}, 422, "invalid_parameter"),
            ({"codes": ["AB\n"]}, 422, "invalid_parameter"),
            ({"codes": ["Ä-*"]}, 422, "invalid_parameter"),
            ({"codes": ["a" * 129]}, 422, "invalid_parameter"),
            ({"codes": [f"{number}-*" for number in range(33)]}, 422, "invalid_parameter"),
        ):
            with subtests.test(changed=changed):
                refused = await client.put(URL, json={**RECIPE, **changed})
                assert (refused.status_code, refused.json()["code"]) == (status, code)
                assert (await client.get("/v1/recipes")).json()["recipes"] == []


async def test_a_server_without_a_record_has_no_recipes(serve, bundle: Bundle) -> None:
    async with serve() as client:
        answers = [
            await client.get("/v1/recipes"),
            await client.get(URL),
            await client.put(URL, json=RECIPE),
            await client.delete(URL),
            await client.get("/v1/parts/A-17"),
            await client.post("/v1/parts/A-17/end"),
            await client.post("/v1/parts/A-17/views/top?recipe=bracket", content=b"-"),
        ]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(404, "no_record")] * 7


async def test_whoever_operates_changes_recipes_and_whoever_reads_sees_them(
    serve, bundle: Bundle, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record, keys=KEYS) as client:
        for name, status in (("camera", 403), ("leader", 200)):
            answer = await client.put(URL, json=RECIPE, headers=bearer(name))
            assert answer.status_code == status
        assert answer.json()["recipe"]["changed_by"] == "leader"


async def test_recipes_outlive_a_restart(serve, bundle: Bundle, tmp_path, good) -> None:
    for begins in (True, False):
        record = open_record(tmp_path / "data", "sqlite")
        async with serve(record=record) as client:
            if begins:
                await save(client)
                continue
            answer = await client.post("/v1/parts/A/views/top?recipe=bracket", content=good)
            assert (answer.status_code, answer.json()["revision"]) == (200, 1)
