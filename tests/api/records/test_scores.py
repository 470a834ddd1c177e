"""The scores behind a threshold, over HTTP."""

from __future__ import annotations

import numpy as np
import pytest

from takt.api.records.scores import ScoresOut, _by_rank
from takt.recording.record import Record
from takt.recording.review.judged_scores import MOST_SCORES
from takt.recording.review.judging import NewJudgement, judge
from tests.api.keys import KEYS, bearer

SCORES = "/v1/models/parts/scores"
OF_VERSION = "/v1/models/parts/versions/1/scores"


async def test_the_scores_of_the_calibration_and_of_what_was_judged(
    serve, sqlite_record: Record, picture_bytes
) -> None:
    async with serve(record=sqlite_record, keep="sample=1") as client:
        for level in (50, 100, 200):
            picture = picture_bytes(level)
            assert (await client.post("/v1/models/parts/inspect", content=picture)).is_success
    judge(sqlite_record.database, [1, 2], NewJudgement("good", "Ann"))
    judge(sqlite_record.database, [3], NewJudgement("defect", "Ann"))
    async with serve(record=sqlite_record) as client:
        await client.put("/v1/models/parts/threshold", json={"image": 0.4})
        found = ScoresOut.model_validate_json((await client.get(SCORES)).content).model_dump()
        assert found.pop("request_id")
        named = (await client.get(OF_VERSION)).json()
        assert named.pop("request_id")
    assert found == named
    assert (found["model"], found["version"]) == ("parts", "1")
    assert (found["threshold"], found["own"], found["alpha"]) == (0.4, 0.5, None)
    good = found["calibration"]["good"]
    assert good["count"] == len(good["scores"]) == 40
    assert good["scores"] == sorted(good["scores"])
    assert found["calibration"]["defects"] == {"scores": [], "regions": [], "count": 0}
    # Peaks are as high as scores here, and the pixel threshold is still 0.5.
    assert good["regions"] == [False] * 40
    assert found["judged"]["good"]["regions"] == [False, False]
    assert found["judged"]["defects"]["regions"] == [True]
    assert found["judged"]["good"]["scores"] == pytest.approx([50 / 255, 100 / 255], abs=0.01)
    assert found["judged"]["defects"]["scores"] == pytest.approx([200 / 255], abs=0.01)


async def test_without_a_record_nothing_was_judged(serve) -> None:
    async with serve() as client:
        found = (await client.get(SCORES)).json()
    assert found["judged"] is None
    assert found["calibration"]["good"]["count"] == 40


async def test_another_bundle_of_the_same_name_has_no_scores_of_the_record(
    serve, sqlite_record: Record, picture_bytes, make_bundle, bundle
) -> None:
    async with serve(record=sqlite_record, keep="sample=1") as client:
        picture = picture_bytes(200)
        assert (await client.post("/v1/models/parts/inspect", content=picture)).is_success
    judge(sqlite_record.database, [1], NewJudgement("defect", "Ann"))
    (bundle.path / "manifest.json").write_bytes(_with_note(bundle))
    async with serve(record=sqlite_record) as client:
        found = (await client.get(SCORES)).json()
    assert found["judged"]["defects"] == {"scores": [], "regions": [], "count": 0}


def _with_note(bundle) -> bytes:
    """The manifest of the same bundle, with a word more."""
    content: bytes = bundle.manifest.model_copy(update={"notes": ("changed",)}).json_bytes()
    return content


async def test_a_model_whose_files_are_not_read_has_no_scores(serve, bundle) -> None:
    (bundle.path / "golden.npz").unlink()
    async with serve() as client:
        answer = await client.get(SCORES)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "/health/ready says why" in answer.json()["detail"]


async def test_scores_need_the_scope_read(serve) -> None:
    async with serve(keys=KEYS) as client:
        assert (await client.get(SCORES)).status_code == 401
        assert (await client.get(SCORES, headers=bearer("engineer"))).status_code == 403
        assert (await client.get(SCORES, headers=bearer("scraper"))).status_code == 200


def test_of_many_calibration_scores_every_so_many_is_told_and_the_highest() -> None:
    scores = np.arange(3 * MOST_SCORES + 1, dtype=np.float32)
    told = _by_rank(scores, -scores, pixel=-1000.0)
    assert told["count"] == len(scores)
    assert len(told["scores"]) <= MOST_SCORES
    assert told["scores"][-1] == scores[-1]
    assert np.mean(np.array(told["scores"]) > 5000) == pytest.approx(
        np.mean(scores > 5000), abs=1e-3
    )
    assert told["regions"] == [score < 1000 for score in told["scores"]]


async def test_the_scores_say_which_pictures_a_region_rejects(serve) -> None:
    async with serve() as client:
        await client.put("/v1/models/parts/threshold", json={"pixel": 0.4})
        good = (await client.get(SCORES)).json()["calibration"]["good"]
    assert good["regions"] == [score > 0.4 for score in good["scores"]]
    assert any(good["regions"])
