"""NVIDIA's client is answered, refused and waited for over gRPC as it is over HTTP."""

from __future__ import annotations

import asyncio
import json
import sqlite3

import numpy as np
import pytest
from sqlalchemy import select

from takt.recording.tables import inspections
from tests.api.apps import until
from tests.api.keys import KEYS, bearer
from tests.api.rpc.transports import GRPC, HTTP, depth_of, refusal_of

BOTH = pytest.mark.parametrize("transport", [HTTP, GRPC], ids=lambda one: one.name)
NO_PICTURE = b"no picture at all, which a server finds out by looking at it"


@BOTH
async def test_pictures_and_pixels_have_their_scores(serve, transport, picture_bytes) -> None:
    levels = [30, 120, 200]
    async with serve(transport) as server:
        files = transport.images([picture_bytes(level) for level in levels])
        result = await server.client.infer("parts", files, request_id="belt 3")
        assert result.as_numpy("score") == pytest.approx(np.array(levels) / 255, abs=1e-6)
        assert result.as_numpy("anomalous").tolist() == [False, False, True]
        assert [len(json.loads(one)) for one in result.as_numpy("regions")] == [0, 0, 1]
        grey = np.stack([np.full((48, 64, 1), level, np.uint8) for level in levels])
        result = await server.client.infer("parts", transport.pixels(grey), model_version="1")
        assert result.as_numpy("score") == pytest.approx(np.array(levels) / 255, abs=1e-6)


@BOTH
async def test_maps_heatmaps_and_parameters(serve, transport, bad_part) -> None:
    async with serve(transport) as server:
        result = await server.client.infer(
            "parts",
            transport.images([bad_part]),
            outputs=transport.wanted("anomaly_map", "heatmap", "anomalous", "threshold"),
            priority=2,
            timeout=60_000_000,
            parameters={
                "heatmap": "map",
                "format": "png",
                "threshold": 0.9,
                "pixel_threshold": 0.9,
            },
        )
        assert result.as_numpy("anomaly_map").shape == (1, 32, 32)
        assert result.as_numpy("heatmap")[0].startswith(b"\x89PNG")
        assert result.as_numpy("anomalous").tolist() == [False]
        assert result.as_numpy("threshold").tolist() == [pytest.approx(0.9)]
        assert result.as_numpy("score") is None


@BOTH
@pytest.mark.parametrize(
    ("pictures", "asked", "status", "text"),
    [
        ([NO_PICTURE], {}, 415, "is no picture that is known here"),
        ([b"GIF"], {}, 400, "too few for a picture"),
        (["good", NO_PICTURE], {}, 415, "picture 1, counted from 0"),
        (["good"], {"model": "pards"}, 404, "there is no model 'pards'"),
        (["good"], {"model_version": "7"}, 404, "version"),
        (["good"], {"sequence_id": 3}, 422, "parameters.sequence_"),
        (["good"], {"parameters": {"threshold": "high"}}, 422, "parameters.threshold"),
        (["good"], {"parameters": {"heatmap": "map"}}, 422, "name it in outputs"),
        (["good"], {"outputs": ["label"]}, 422, "there are score, threshold"),
        (["good"] * 65, {}, 422, "image has 65 pictures; send 1 to 64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bad_request_is_told_what_is_wrong(
    serve, transport, bad_part, pictures, asked, status, text
) -> None:
    given = [bad_part if one == "good" else one for one in pictures]
    asked = dict(asked)
    model = asked.pop("model", "parts")
    if "outputs" in asked:
        asked["outputs"] = transport.wanted(*asked["outputs"])
    async with serve(transport) as server:
        refused = await refusal_of(server.client.infer(model, transport.images(given), **asked))
        assert refused[0] == transport.status(status)
        assert text in refused[1]
        # Another one is answered.
        assert await server.client.infer("parts", transport.images([bad_part]))


@BOTH
async def test_a_full_queue_refuses_before_it_looks_at_the_picture(
    serve, transport, engine, bad_part
) -> None:
    async with serve(transport, max_queue_size=1) as server:
        engine.gate.clear()
        good, bad = transport.images([bad_part]), transport.images([NO_PICTURE])
        running = asyncio.create_task(server.client.infer("parts", good))
        await until(lambda: engine.batch_sizes == [1])
        waiting = asyncio.create_task(server.client.infer("parts", good))
        await until(lambda: depth_of(server) == 1)
        status, text = await refusal_of(server.client.infer("parts", bad))
        assert status == transport.status(429)
        assert "max_queue_size" in text
        engine.gate.set()
        for one in await asyncio.gather(running, waiting):
            assert one.as_numpy("anomalous").tolist() == [True]


@BOTH
async def test_a_key_is_needed_and_its_scopes_count(serve, transport, bad_part) -> None:
    images = transport.images([bad_part])
    async with serve(transport, keys=KEYS) as server:
        client = server.client
        for headers in (None, {"authorization": "Bearer takt_wrong"}):
            status, text = await refusal_of(client.infer("parts", images, headers=headers))
            assert status == transport.status(401)
            assert "key" in text
        reader, camera = bearer("scraper"), bearer("camera")
        status, text = await refusal_of(client.infer("parts", images, headers=reader))
        assert status == transport.status(403)
        assert "lacks the scope inspect" in text
        status, text = await refusal_of(client.get_model_metadata("parts", headers=camera))
        assert status == transport.status(403)
        assert (await client.infer("parts", images, headers=camera)).as_numpy("score").size == 1
        assert await client.is_model_ready("parts", headers=reader)
        # Probes need none.
        assert await client.is_server_live() and await client.is_server_ready()


@BOTH
async def test_a_timeout_takes_the_pictures_out_of_the_queue(
    serve, transport, engine, bad_part
) -> None:
    async with serve(transport) as server:
        engine.gate.clear()
        images = transport.images([bad_part] * 3)
        status, text = await refusal_of(server.client.infer("parts", images, timeout=30_000))
        assert status == transport.status(504)
        assert "timeout_ms" in text
        assert depth_of(server) == 0


@BOTH
async def test_a_caller_that_leaves_takes_its_pictures_out_of_the_queue(
    serve, transport, engine, bad_part
) -> None:
    async with serve(transport) as server:
        engine.gate.clear()
        images = transport.images([bad_part] * 4)
        asked = asyncio.create_task(server.client.infer("parts", images))
        await until(lambda: depth_of(server) == 3)
        asked.cancel()
        await until(lambda: depth_of(server) == 0)
        engine.gate.set()
        assert await server.client.infer("parts", transport.images([bad_part]))


@BOTH
async def test_a_message_that_is_too_large_is_refused_and_the_next_one_answered(
    serve, transport, bad_part
) -> None:
    async with serve(transport, max_image_bytes=100_000) as server:
        large = transport.images([bytes(110_000)])
        status, text = await refusal_of(server.client.infer("parts", large))
        assert status == transport.status(413)
        assert "max_image_bytes" in text
        assert await server.client.infer("parts", transport.images([bad_part]))


@BOTH
async def test_large_messages_come_and_go_whole(serve, transport, picture_bytes) -> None:
    # Just below what HTTP's client warns of: 1 MiB.
    noise = np.random.default_rng(1).integers(0, 256, (1, 580, 600, 3), dtype=np.uint8)
    async with serve(transport) as server:
        result = await server.client.infer(
            "parts",
            transport.pixels(noise),
            outputs=transport.wanted("heatmap"),
            parameters={"format": "png"},
        )
        assert len(result.as_numpy("heatmap")[0]) > 1_000_000


@BOTH
async def test_what_was_accepted_is_answered_at_the_end_and_nothing_else(
    serve, transport, engine, bad_part
) -> None:
    async with serve(transport) as server:
        engine.gate.clear()
        images = transport.images([bad_part] * 3)
        asked = asyncio.create_task(server.client.infer("parts", images))
        await until(lambda: depth_of(server) == 2)
        ending = asyncio.create_task(server.shut_down())
        await until(lambda: not any(one.is_serving() for one in server.server.servers))
        other = transport.aio.InferenceServerClient(server.address)
        # Of gRPC, one that arrives in the very moment is cancelled.
        with pytest.raises(Exception, match=r"(?i)connect|shutdown|cancelled"):
            async with asyncio.timeout(60):
                while True:
                    await other.is_server_ready()
        with pytest.raises(Exception, match=r"(?i)connect|shutdown"):
            await other.infer("parts", images)
        await other.close()
        assert not asked.done()
        engine.gate.set()
        assert (await asked).as_numpy("anomalous").tolist() == [True] * 3
        await ending


@BOTH
async def test_an_answer_is_recorded_with_what_the_headers_say(
    serve, transport, sqlite_record, bad_part
) -> None:
    headers = {"x-takt-part": "A-17", "x-request-id": "belt-3", **bearer("camera")}
    async with serve(transport, record=sqlite_record, keys=KEYS) as server:
        await server.client.infer("parts", transport.images([bad_part]), headers=headers)
        await server.shut_down()
    with sqlite_record.database.reading() as connection:
        (row,) = connection.execute(select(inspections)).all()
    assert (row.protocol, row.request_id, row.part) == ("oip", "belt-3", "A-17")
    assert row.caller == "camera"


@BOTH
async def test_an_answer_waits_for_its_commit_where_it_is_to(
    serve, transport, sqlite_record, bad_part, picture_bytes, monkeypatch
) -> None:
    # A busy disk may need more than an answer waits at most.
    monkeypatch.setattr("takt.recording.writer.LONGEST_S", 60.0)
    given = {"commit_before_answer": True, "timeout_ms": 60_000.0}
    pictures = [bad_part, picture_bytes(50)]
    async with serve(transport, record=sqlite_record, **given) as server:
        await server.client.infer("parts", transport.images(pictures))
        with sqlite_record.database.reading() as connection:
            found = connection.execute(select(inspections)).all()
        assert [row.anomalous for row in found] == [True, False]
        other = sqlite3.connect(sqlite_record.folder / "record.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        # On a busy machine the time may be too short for what comes before.
        for timeout_ms in (300, 3_000, 30_000):
            status, text = await refusal_of(
                server.client.infer(
                    "parts", transport.images(pictures), parameters={"timeout_ms": timeout_ms}
                )
            )
            if status == transport.status(503):
                break
        assert status == transport.status(503)
        assert "is not in the record" in text
        other.close()
