"""Frames of a stream and their answers, as a client meets them."""

from __future__ import annotations

import asyncio

import cv2
import numpy as np
import pytest

from takt_client.pictures import RawPicture, pack_frame
from tests.api.stream.socket import connect, hear, numbered, started


async def test_frames_are_answered_in_order_as_rest_would(serve, picture_bytes) -> None:
    async with serve() as client, connect(client) as socket:
        welcome = await socket.hello()
        assert welcome == {
            "type": "welcome",
            "session": welcome["session"],
            "resumed": False,
            "model": "parts",
            "version": "1",
            "policy": "all",
            "credits": 8,
            "next_sequence": 0,
        }
        for sequence in range(6):
            level = 200 if sequence % 2 else 50
            socket.frame(sequence, picture_bytes(level), captured_us=1000 + sequence)
        answers = await hear(socket, 6)
        rest = (await client.post("/v1/models/parts/inspect", content=picture_bytes(200))).json()
        assert numbered(answers) == [("answer", sequence) for sequence in range(6)]
        assert [answer["captured_us"] for answer in answers] == list(range(1000, 1006))
        assert [answer["anomalous"] for answer in answers] == [False, True] * 3
        answer = answers[1]
        assert answer.keys() - rest.keys() == {
            *("type", "sequence", "captured_us", "age_ms", "dropped"),
            *("smoothed_score", "vote", "view"),
        }
        for same in ("model", "version", "score", "regions", "image", "inspected", "heatmap"):
            assert answer[same] == rest[same]
        assert answer["smoothed_score"] is None
        assert answer["vote"] is None
        assert answer["dropped"] == 0
        assert answer["age_ms"] >= answer["timings_ms"]["total"]


@pytest.mark.parametrize("pixels", ["rgb8", "bgr8", "mono8"])
async def test_raw_pixels_are_inspected_without_encoding(serve, pixels) -> None:
    shape = (48, 64) if pixels == "mono8" else (48, 64, 3)
    raw = RawPicture(np.full(shape, 200, np.uint8).tobytes(), 64, 48, pixels)
    async with serve() as client, connect(client) as socket:
        await socket.hello()
        socket.frame(0, raw)
        answer = await socket.hear()
        assert answer["image"] == {"width": 64, "height": 48}
        assert answer["score"] == pytest.approx(200 / 255, abs=1e-3)


async def test_the_heatmap_follows_its_answer_as_bytes(serve, bad_part) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello(heatmap="overlay", format="png")
        for sequence in range(2):
            socket.frame(sequence, bad_part)
        for sequence in range(2):
            answer = await socket.hear()
            data = (await socket.raw())["bytes"]
            assert answer["sequence"] == sequence
            assert answer["heatmap"] == {
                "kind": "overlay",
                "format": "png",
                "bytes": len(data),
            }
            overlay = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            assert overlay.shape == (48, 64, 3)


async def test_a_session_s_thresholds_vote_and_smoothing_count(serve, picture_bytes) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello(threshold=0.1, vote={"k": 2, "n": 3}, smoothing=0.5)
        for sequence, level in enumerate((10, 200, 200)):
            socket.frame(sequence, picture_bytes(level))
        answers = await hear(socket, 3)
        assert [answer["threshold"] for answer in answers] == [0.1] * 3
        assert [answer["vote"] for answer in answers] == [
            {"anomalous": False, "count": 0, "of": 1, "undecided": 0},
            {"anomalous": False, "count": 1, "of": 2, "undecided": 0},
            {"anomalous": True, "count": 2, "of": 3, "undecided": 0},
        ]
        scores = [answer["score"] for answer in answers]
        assert answers[1]["smoothed_score"] == pytest.approx(sum(scores[:2]) / 2)


async def test_a_bad_picture_has_its_error_in_its_place(serve, picture_bytes) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello()
        good = picture_bytes()
        socket.frame(0, good)
        socket.frame(1, good[:-20])
        socket.binary(pack_frame(2, 0, RawPicture(b"\0" * 3, 1, 1, "rgb8")) + b"one too many")
        socket.frame(3, b"")
        socket.frame(4, good)
        messages = await hear(socket, 5)
        assert numbered(messages) == [
            ("answer", 0),
            ("error", 1),
            ("error", 2),
            ("error", 3),
            ("answer", 4),
        ]
        error = messages[1]
        assert (error["status"], error["code"]) == (400, "invalid_image")
        assert "cut short" in error["detail"]
        assert "bytes of pixels" in messages[2]["detail"]


async def test_a_frame_for_which_there_is_no_memory_is_refused_in_its_place(
    serve, picture_bytes, engines
) -> None:
    good = picture_bytes(suffix=".bmp")
    large, too_large = good + bytes(120 * 1024), good + bytes(240 * 1024)
    async with serve(max_memory_mb=1) as client, connect(client) as socket:
        await socket.hello()
        engines[0].gate.clear()
        for number, picture in enumerate((large, large, too_large, good)):
            socket.frame(number, picture)
        while socket.read < 6:
            await asyncio.sleep(0)
        engines[0].gate.set()
        messages = await hear(socket, 4)
        assert numbered(messages) == [("answer", 0), ("error", 1), ("error", 2), ("answer", 3)]
        assert (messages[1]["status"], messages[1]["code"]) == (429, "memory_full")
        assert (messages[2]["status"], messages[2]["code"]) == (413, "image_too_large")
        assert "takt_memory_in_flight_bytes 0.0" in (await client.get("/metrics")).text


async def test_a_picture_over_the_limit_is_refused_alone(serve, picture_bytes) -> None:
    small = picture_bytes()
    async with (
        serve(max_image_bytes=len(small)) as client,
        connect(client) as socket,
    ):
        await socket.hello()
        socket.frame(0, small + b"\0")
        socket.frame(1, small)
        too_large, answer = await hear(socket, 2)
        assert (too_large["status"], too_large["code"]) == (413, "image_too_large")
        assert answer["type"] == "answer"


async def test_no_more_is_read_than_the_credits_allow(serve, engines, picture_bytes) -> None:
    async with serve(stream_credits=3, max_batch_size=1) as client, connect(client) as socket:
        await socket.hello()
        before = socket.read
        engines[0].gate.clear()
        for sequence in range(8):
            socket.frame(sequence, picture_bytes())
        await started(engines, 1)
        for _ in range(50):
            await asyncio.sleep(0)
        assert socket.read - before == 3
        engines[0].gate.set()
        assert numbered(await hear(socket, 8)) == [("answer", n) for n in range(8)]


async def test_while_the_engine_is_busy_the_newest_frame_waits_and_older_ones_are_dropped(
    serve, engines, picture_bytes
) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello(policy="latest")
        engines[0].gate.clear()
        for sequence in range(20):
            socket.frame(sequence, picture_bytes())
        dropped = await hear(socket, 18)
        assert numbered(dropped) == [("dropped", sequence) for sequence in range(1, 19)]
        assert [message["dropped"] for message in dropped] == list(range(1, 19))
        engines[0].gate.set()
        answers = await hear(socket, 2)
        assert numbered(answers) == [("answer", 0), ("answer", 19)]
        assert answers[1]["dropped"] == 18
        metrics = (await client.get("/metrics")).text
        assert 'takt_stream_frames_dropped_total{model="parts",policy="latest"} 18.0' in metrics
        assert 'takt_stream_frame_age_seconds_count{model="parts"} 2.0' in metrics
        assert (
            'takt_requests_total{model="parts",outcome="ok",protocol="stream",verdict="good"}'
            " 2.0" in metrics
        )
        assert "takt_streams 1.0" in metrics


async def test_two_streams_of_one_model_share_batches(serve, engines, picture_bytes) -> None:
    async with (
        serve(max_batch_size=8) as client,
        connect(client) as one,
        connect(client, "/v1/models/parts/versions/1/stream") as two,
    ):
        await one.hello()
        await two.hello()
        engines[0].gate.clear()
        one.frame(0, picture_bytes())
        await started(engines, 1)
        for sequence in range(1, 4):
            one.frame(sequence, picture_bytes())
            two.frame(sequence, picture_bytes())
        depth = 'takt_queue_depth{model="parts",version="1"} 6.0'
        while depth not in (await client.get("/metrics")).text:
            await asyncio.sleep(0)
        engines[0].gate.set()
        await hear(one, 4)
        await hear(two, 3)
        assert engines[0].batch_sizes == [1, 6]


async def test_a_failing_engine_fails_its_frames_and_not_the_stream(
    serve, engines, picture_bytes
) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello()
        engines[0].fail = True
        socket.frame(0, picture_bytes())
        failed = await socket.hear()
        assert (failed["type"], failed["sequence"]) == ("error", 0)
        assert (failed["status"], failed["code"]) == (500, "engine_failed")
        engines[0].fail = False
        socket.frame(1, picture_bytes())
        assert (await socket.hear())["type"] == "answer"


async def test_bye_comes_after_what_is_under_way_with_the_figures(
    serve, engines, picture_bytes
) -> None:
    async with serve() as client, connect(client) as socket:
        await socket.hello()
        socket.say("stats")
        stats = await socket.hear()
        assert stats["type"] == "stats"
        assert stats["stats"]["frames"] == 0
        assert stats["stats"]["latency_ms"] == {"p50": None, "p95": None, "p99": None}
        engines[0].gate.clear()
        socket.frame(0, picture_bytes())
        socket.frame(1, picture_bytes(200))
        socket.frame(2, b"no picture")
        socket.say("bye")
        await started(engines, 1)
        engines[0].gate.set()
        heard, code = await socket.until_closed()
        assert code == 1000
        assert numbered(heard) == [("answer", 0), ("answer", 1), ("error", 2), ("bye", None)]
        figures = heard[-1]["stats"]
        assert {name: figures[name] for name in ("frames", "answered", "errors")} == {
            "frames": 3,
            "answered": 2,
            "errors": 1,
        }
        assert figures["anomalous"] == 1
        assert figures["age_ms"]["p50"] > 0
