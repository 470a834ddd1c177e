"""A server without a model learns its first one, and is ready."""

from __future__ import annotations

import shutil
from pathlib import Path

from takt.parts.composing.assembly import foundation_of
from tests.api.apps import until
from tests.api.learning.jobs import desk_of, given, made, once, started
from tests.fake_learn import RESULT, learning


async def test_the_first_version_that_is_learned_makes_an_empty_server_ready(
    serve, bundle, picture_bytes, tmp_path: Path
) -> None:
    (empty := tmp_path / "volume").mkdir()
    command = learning(RESULT | {"model": "parts", "version": "1"})
    async with serve(repository=empty, data_folder=tmp_path / "data") as client:
        desk_of(client).command = command
        path = await made(client, model="parts")
        await given(client, path, picture_bytes(1))
        shutil.copytree(bundle.path, empty / "parts" / "1")
        await started(client, path)
        await once(client, path, "done")
        repository = foundation_of(client._transport.app).models.repository
        await until(lambda: repository.ready)
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["reason"]) == (200, None)
        answer = await client.post("/v1/models/parts/inspect", content=picture_bytes(50))
        assert (answer.status_code, answer.json()["version"]) == (200, "1")
