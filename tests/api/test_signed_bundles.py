"""A server that is given public keys serves what they have signed, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from takt.app import create_app
from takt.core.bundles.bundle import MODEL, Bundle
from takt.core.bundles.signing.keys import key_id
from takt.core.bundles.thresholds import OVERRIDES
from takt.core.bundles.writing import sign_bundle
from takt.core.errors import ConfigurationError
from takt.parts.composing.assembly import foundation_of
from takt.settings import Settings
from tests.signing import FOREIGN, NEXT, OURS, flipped, public_pem, trusted

MakeBundle = Callable[..., Bundle]
OUR_NAME = key_id(OURS.public_key())


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return trusted(tmp_path / "keys", OURS)


async def states(client: httpx.AsyncClient) -> dict[str, tuple[str, str | None]]:
    """State and reason of each model's only version."""
    models = (await client.get("/health/ready")).json()["models"]
    return {one["name"]: (one["state"], one["reason"]) for one in models}


async def test_what_is_not_signed_by_us_is_not_served_and_the_others_are(
    serve: Any, bundle: Bundle, make_bundle: MakeBundle, keys: Path, picture_bytes: Any
) -> None:
    sign_bundle(bundle, OURS)
    make_bundle("unsigned")
    sign_bundle(make_bundle("foreign"), FOREIGN)
    spoilt = make_bundle("spoilt")
    sign_bundle(spoilt, OURS)
    (spoilt.path / MODEL).write_bytes(flipped((spoilt.path / MODEL).read_bytes(), 100))

    async with serve(trusted_keys=keys) as client:
        found = await states(client)
        refused = await client.post("/v1/models/unsigned/inspect", content=picture_bytes())
        answered = await client.post("/v1/models/parts/inspect", content=picture_bytes())
        (version,) = (await client.get("/v1/models/parts")).json()["versions"]

    assert found.pop("parts") == ("ready", None)
    assert {name: state for name, (state, _) in found.items()} == dict.fromkeys(
        ("unsigned", "foreign", "spoilt"), "failed"
    )
    assert "unsigned/1 is not signed" in str(found["unsigned"][1])
    assert f"by the key {key_id(FOREIGN.public_key())}" in str(found["foreign"][1])
    assert f"spoilt/1/{MODEL} is not the file that was exported" in str(found["spoilt"][1])
    assert (refused.status_code, answered.status_code) == (503, 200)
    assert version["signed_by"] == OUR_NAME


async def test_without_keys_anything_whole_is_served(serve: Any, bundle: Bundle) -> None:
    async with serve() as client:
        (version,) = (await client.get("/v1/models/parts")).json()["versions"]

    assert (version["state"], version["signed_by"]) == ("ready", None)


async def test_keys_rotate_while_serving(
    serve: Any, bundle: Bundle, make_bundle: MakeBundle, tmp_path: Path, picture_bytes: Any
) -> None:
    folder = tmp_path / "rotating"
    folder.mkdir()
    (folder / "old.pem").write_bytes(public_pem(OURS))
    sign_bundle(bundle, OURS)

    async with serve(trusted_keys=folder) as client:
        activate = "/v1/models/parts/versions/{}/activate"
        watch = foundation_of(client._transport.app).models.watch  # type: ignore[attr-defined]

        async def taken(version: str) -> str | None:
            """Why a version is not served, once the folder was looked at; None if it is."""
            for _ in range(2):
                await watch.poll()
            versions = (await client.get("/v1/models/parts")).json()["versions"]
            return next(one["reason"] for one in versions if one["version"] == version)

        sign_bundle(make_bundle(version="2"), NEXT)
        assert "which is not trusted" in str(await taken("2"))

        (folder / "new.pem").write_bytes(public_pem(NEXT))
        assert (await client.post(activate.format("2"))).status_code == 200
        (folder / "old.pem").unlink()
        sign_bundle(make_bundle(version="3"), OURS)
        assert "which is not trusted" in str(await taken("3"))
        assert (await client.post(activate.format("3"))).status_code == 503

        # What was loaded by the old key answers until the next load.
        assert (await client.post(activate.format("1"))).status_code == 200
        inspect = "/v1/models/parts/inspect"
        assert (await client.post(inspect, content=picture_bytes())).status_code == 200

    async with serve(trusted_keys=folder) as client:
        versions = (await client.get("/v1/models/parts")).json()["versions"]

    assert {one["version"]: one["state"] for one in versions} == {
        "1": "failed",
        "2": "ready",
        "3": "failed",
    }


async def test_a_bundle_that_is_signed_while_it_waits_is_served(
    serve: Any, bundle: Bundle, keys: Path
) -> None:
    async with serve(trusted_keys=keys) as client:
        watch = foundation_of(client._transport.app).models.watch  # type: ignore[attr-defined]
        await watch.poll()
        await watch.poll()
        assert (await states(client))["parts"][0] == "failed"
        sign_bundle(bundle, OURS)
        await watch.poll()
        await watch.poll()

        assert await states(client) == {"parts": ("ready", None)}


async def test_operators_still_set_thresholds_which_no_signature_covers(
    serve: Any, bundle: Bundle, keys: Path
) -> None:
    sign_bundle(bundle, OURS)
    async with serve(trusted_keys=keys) as client:
        await client.put("/v1/models/parts/threshold", json={"image": 0.7})
    async with serve(trusted_keys=keys) as client:
        (version,) = (await client.get("/v1/models/parts")).json()["versions"]

    assert version["thresholds"]["image"] == 0.7
    assert version["thresholds"]["origin"]["image"]["source"] == "override"


async def test_where_nobody_may_change_thresholds_no_unsigned_one_is_taken(
    serve: Any, bundle: Bundle, keys: Path, repository: Path
) -> None:
    sign_bundle(bundle, OURS)
    moved = json.dumps({"image": {"value": 99.0, "set_at": "2026-01-01T00:00:00+00:00"}})
    async with serve(trusted_keys=keys, threshold_changes=False) as client:
        (bundle.path / OVERRIDES).write_text(moved)
        await foundation_of(client._transport.app).models.watch.poll()  # type: ignore[attr-defined]
        (version,) = (await client.get("/v1/models/parts")).json()["versions"]
        assert version["thresholds"]["image"] == 0.5

    async with serve(trusted_keys=keys, threshold_changes=False) as client:
        state, reason = (await states(client))["parts"]

    assert state == "failed"
    assert f"{OVERRIDES} sets other thresholds than those that were signed" in str(reason)


def test_a_server_whose_keys_cannot_be_read_does_not_start(
    bundle: Bundle, repository: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="there is no key"):
        create_app(Settings(repository=repository, trusted_keys=tmp_path / "absent.pem"))


async def test_keys_that_go_while_serving_let_nothing_new_in(
    serve: Any, bundle: Bundle, make_bundle: MakeBundle, keys: Path
) -> None:
    sign_bundle(bundle, OURS)
    async with serve(trusted_keys=keys) as client:
        keys.unlink()
        sign_bundle(make_bundle("later"), OURS)
        watch = foundation_of(client._transport.app).models.watch  # type: ignore[attr-defined]
        await watch.poll()
        await watch.poll()
        found = await states(client)

    assert found["parts"] == ("ready", None)
    assert "there is no key" in str(found["later"][1])
