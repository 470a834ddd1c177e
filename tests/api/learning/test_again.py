"""A learning from the pictures of a former one: another setting, and no file is sent again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.api.learning.jobs import LEARNING, desk_of, given, made, once, started
from tests.fake_learn import RESULT, learning


def number_of(path: str) -> str:
    return path.rpartition("/")[2]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


@pytest.fixture
def noting(notes: Path) -> tuple[str, ...]:
    """A command that notes its alpha and the pictures that it is given, and makes a version."""
    then = (
        "import os, pathlib\n"
        "asked = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
        "files = sorted(os.listdir(asked['--good']))\n"
        f"with open({str(notes)!r}, 'a') as file: print(asked.get('--alpha'), *files, file=file)"
    )
    return learning(RESULT | {"advice": [{"setting": "alpha", "value": 0.05}]}, then=then)


async def test_a_setting_that_is_advised_is_tried_with_the_pictures_that_are_there(
    serve_learning, noting, notes, picture_bytes, data_folder
) -> None:
    async with serve_learning(noting) as client:
        former = await made(client)
        await given(client, former, picture_bytes(50), picture_bytes(60))
        await started(client, former)
        done = await once(client, former, "done")
        assert done["pictures_kept"] is True
        assert done["learned"]["advice"] == [{"setting": "alpha", "value": 0.05}]

        again = await made(client, alpha=0.05, pictures_of=number_of(former))
        job = (await client.get(again)).json()
        assert (job["pictures"], job["pictures_of"]) == (2, number_of(former))
        assert job["pictures_kept"] is True
        assert (await client.get(former)).json()["pictures_kept"] is False
        await given(client, again, picture_bytes(70), picture_bytes(50))
        await started(client, again)
        assert (await once(client, again, "done"))["duplicates"] == 1
        assert len(list((data_folder / "learning").iterdir())) == 1
    first, second = notes.read_text().splitlines()
    assert first == "None 0001-part_0.png 0002-part_1.png"
    assert second == "0.05 0001-part_0.png 0002-part_1.png 0003-part_0.png"
    assert not any((data_folder / "learning").iterdir())


async def test_what_has_failed_is_learned_again_from_its_pictures_with_another_setting(
    serve_learning, noting, picture_bytes
) -> None:
    async with serve_learning(learning(code=3)) as client:
        former = await made(client)
        await given(client, former, picture_bytes(50))
        await started(client, former)
        await once(client, former, "failed")
        again = await made(client, size="64", pictures_of=number_of(former))
        assert (await client.post(f"{former}/start")).status_code == 409
        desk_of(client).command = noting
        await started(client, again)
        assert (await once(client, again, "done"))["pictures"] == 1


async def test_pictures_that_are_gone_are_told_before_anything_else_goes(
    serve_learning, picture_bytes
) -> None:
    async def refused(**wish: Any) -> tuple[int, str]:
        answer = await client.post(LEARNING, json={"model": "nut"} | wish)
        return answer.status_code, answer.json()["detail"]

    async with serve_learning() as client:
        assert (await refused(pictures_of="4711"))[0] == 404
        former = await made(client)
        await given(client, former, picture_bytes(50))
        await started(client, former)
        await once(client, former, "done")
        other = await made(client)
        await client.delete(other)
        status, detail = await refused(pictures_of=number_of(former))
        assert (status, "send them again" in detail) == (409, True)
        assert (await client.get(former)).json()["pictures_kept"] is False
        status, detail = await refused(pictures_of=number_of(former), teach=True)
        assert (status, "pictures_of" in detail) == (422, True)


async def test_a_learning_under_way_gives_no_pictures_away(serve_learning, picture_bytes) -> None:
    async with serve_learning() as client:
        path = await made(client)
        await given(client, path, picture_bytes(50))
        wish = {"model": "nut", "pictures_of": number_of(path)}
        assert (await client.post(LEARNING, json=wish)).status_code == 409
        assert (await client.get(path)).json()["pictures"] == 1


async def test_advice_that_nobody_knows_is_passed_over(serve_learning, picture_bytes) -> None:
    odd = [{"setting": "threads", "value": 3}, {"setting": "alpha", "value": 7}, "alpha", None]
    known = {"setting": "family", "value": "patchcore"}
    async with serve_learning(learning(RESULT | {"advice": [*odd, known]})) as client:
        path = await made(client)
        await given(client, path, picture_bytes(50))
        await started(client, path)
        assert (await once(client, path, "done"))["learned"]["advice"] == [known]
