"""What keeps a server from learning, and what becomes of a learned version there."""

from __future__ import annotations

from pathlib import Path

from takt.core.bundles.writing import sign_bundle
from takt.learning.obstacles import Obstacle
from takt.parts.composing.assembly import foundation_of
from tests.api.apps import until
from tests.api.learning.jobs import LEARNING, desk_of, given, made, once, started
from tests.fake_learn import RESULT, learning
from tests.signing import OURS, trusted


async def test_a_server_that_cannot_learn_says_so_before_it_takes_pictures(serve_learning) -> None:
    detail = "the exporter is not installed beside this server (torch); install it there: pip …"
    async with serve_learning() as client:
        desk_of(client).stands_against = lambda *_: (Obstacle("exporter_missing", detail),)
        listed = (await client.get(LEARNING)).json()
        refused = await client.post(LEARNING, json={"model": "nut"})
    assert listed["obstacles"] == [{"code": "exporter_missing", "detail": detail}]
    assert (refused.status_code, refused.json()["detail"]) == (409, detail)


async def test_a_learned_version_waits_for_its_activation(
    serve_learning, make_bundle, picture_bytes
) -> None:
    result = RESULT | {"model": "parts", "version": "2"}
    async with serve_learning(learning(result)) as client:
        path = await made(client, model="parts")
        await given(client, path, picture_bytes(1))
        make_bundle(version="2")
        await started(client, path)
        await once(client, path, "done")
        version = await _loaded(client, "parts", "2")
        assert version["state"] == "ready"
        found = (await client.get(path)).json()["learned"]
        assert (found["standing"], found["reason"]) == ("waiting", None)
        await client.post("/v1/models/parts/versions/2/activate")
        assert (await client.get(path)).json()["learned"]["standing"] == "active"


async def test_a_server_of_signed_versions_says_how_to_sign(
    serve_learning, bundle, make_bundle, repository, picture_bytes, tmp_path: Path
) -> None:
    sign_bundle(bundle, OURS)
    keys = trusted(tmp_path / "keys", OURS)
    async with serve_learning(learning(RESULT), trusted_keys=keys) as client:
        assert "takt sign" in (await client.get(LEARNING)).json()["signing"]
        path = await made(client)
        await given(client, path, picture_bytes(1))
        make_bundle(name="nut")
        await started(client, path)
        await once(client, path, "done")
        served = foundation_of(client._transport.app).models.repository
        await until(lambda: any(one.name == "nut" and one.state == "failed" for one in served))
        found = (await client.get(path)).json()["learned"]
        assert found["standing"] == "unsigned"
        assert f"takt sign {repository}/nut/1 --key" in found["reason"]
        assert (await client.get("/health/ready")).status_code == 200


async def _loaded(client, name: str, version: str) -> dict[str, object]:
    repository = foundation_of(client._transport.app).models.repository
    await until(
        lambda: any((one.name, one.version) == (name, version) and one.ready for one in repository)
    )
    models = (await client.get(f"/v1/models/{name}")).json()
    (found,) = [one for one in models["versions"] if one["version"] == version]
    return found
