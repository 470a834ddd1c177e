"""A first version of which its self-test says not to serve it, for those who ask the server."""

import asyncio

import pytest

from tests.manifests import rewrite_manifest
from tests.tested import GRAVE

MODEL = "/v1/models/parts"
OF_1 = f"{MODEL}/versions/1"


@pytest.fixture
def waiting(bundle):
    rewrite_manifest(bundle.path, lambda manifest: manifest.update(self_test=GRAVE))


async def test_requests_without_a_version_are_told_which_one_waits_and_why(
    serve, waiting, picture_bytes
) -> None:
    picture = picture_bytes(50)
    async with serve() as client:
        refused = await client.post(f"{MODEL}/inspect", content=picture)
        assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
        for part in (
            "version 1 of model parts waits for an activation",
            "what made_up_missed found; more pictures",
            f"POST {OF_1}/inspect",
            f"POST {OF_1}/activate",
        ):
            assert part in refused.json()["detail"]
        for path in (f"{MODEL}/threshold", "/v2/models/parts/ready"):
            method = "PUT" if path.endswith("threshold") else "GET"
            told = await client.request(method, path, json={"image": 1.0})
            assert (told.status_code, told.json()["code"]) == (503, "not_ready")


async def test_a_server_of_which_every_model_waits_says_so_until_one_is_activated(
    serve, waiting
) -> None:
    async with serve() as client:

        async def conditions() -> list[str]:
            return [one["name"] for one in (await client.get("/v1/status")).json()["conditions"]]

        assert "TaktNoActiveVersion" in await conditions()
        await client.post(f"{OF_1}/activate", json={"reason": "known"})
        async with asyncio.timeout(60):
            while "TaktNoActiveVersion" in await conditions():
                await asyncio.sleep(0.01)


async def test_a_version_that_waits_can_be_tried_and_activated(
    serve, waiting, picture_bytes
) -> None:
    picture = picture_bytes(50)
    async with serve() as client:
        tried = await client.post(f"{OF_1}/inspect", content=picture)
        assert (tried.status_code, tried.json()["version"]) == (200, "1")
        done = (await client.post(f"{OF_1}/activate", json={"reason": "known"})).json()
        assert (done["version"], done["before"], done["previous"]) == ("1", "", None)
        answered = await client.post(f"{MODEL}/inspect", content=picture)
        assert answered.json()["version"] == "1"
    async with serve() as client:
        assert (await client.post(f"{MODEL}/inspect", content=picture)).status_code == 200


async def test_the_model_is_listed_with_why_no_version_answers(serve, waiting) -> None:
    async with serve() as client:
        (listed,) = (await client.get("/v1/models")).json()["models"]
        assert (listed["name"], listed["active"], listed["decided"]) == ("parts", "", False)
        assert "waits for an activation" in listed["waits"]
        assert [one["state"] for one in listed["versions"]] == ["ready"]
        config = (await client.get("/v2/models/parts/versions/1/config")).json()
        assert config["parameters"]["active_version"]["string_value"] == ""
        assert (await client.post(f"{MODEL}/rollback")).status_code == 409
        await client.post(f"{OF_1}/activate")
        model = (await client.get(MODEL)).json()
        assert (model["active"], model["waits"]) == ("1", None)


async def test_a_server_that_answers_for_no_model_is_not_ready_and_one_that_does_is(
    serve, waiting, make_bundle
) -> None:
    async with serve() as client:
        found = await client.get("/health/ready")
        assert (found.status_code, found.json()["ready"]) == (503, False)
        assert "waits for an activation" in found.json()["reason"]
        assert [one["ready"] for one in found.json()["models"]] == [True]
    make_bundle("nuts")
    async with serve() as client:
        found = await client.get("/health/ready")
        assert (found.status_code, found.json()["reason"]) == (200, None)
