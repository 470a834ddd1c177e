import asyncio
import base64
import io
import struct
from itertools import product

import cv2
import httpx
import numpy as np
import pytest
import torch
from torch.nn import functional

from takt.api.schemas import InspectionOut, ProblemOut
from takt.core.engines.fake import FakeEngine

URL = "/v1/models/parts/inspect"


async def test_a_good_picture_is_good(serve, picture_bytes) -> None:
    async with serve() as client:
        response = await client.post(URL, content=picture_bytes(50))
        assert response.status_code == 200
        answer = response.json()
        InspectionOut.model_validate(answer, strict=True)
        assert (answer["model"], answer["version"]) == ("parts", "1")
        assert answer["score"] == pytest.approx(50 / 255, abs=1e-6)
        assert answer["threshold"] == 0.5
        assert answer["anomalous"] is False
        assert answer["regions"] == []
        assert answer["heatmap"] is None
        assert answer["image"] == {"width": 64, "height": 48}
        assert answer["inspected"] == [0, 0, 64, 48]
        assert 0 < answer["percentile"] < 100
        assert answer["request_id"] == response.headers["x-request-id"]
        assert answer["timings_ms"]["total"] >= answer["timings_ms"]["engine"]


async def test_a_defect_is_found_where_it_is(serve, bad_part) -> None:
    async with serve() as client:
        answer = (await client.post(URL, content=bad_part)).json()
        assert answer["anomalous"] is True
        assert answer["percentile"] == 100
        (region,) = answer["regions"]
        assert region["box"] == [16, 12, 16, 12]
        assert region["area"] == 16 * 12
        assert region["peak"] == pytest.approx(200 / 255, abs=1e-3)


async def until_ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while (await client.get("/health/ready")).status_code != 200:
            await asyncio.sleep(0)


async def test_a_model_that_crops_places_its_regions_to_the_pixel(
    serve, make_bundle, picture_bytes
) -> None:
    crop = {"x": 4, "y": 4, "width": 32, "height": 32}
    make_bundle("centre", preprocess={"width": 40, "height": 40, "resize": "area", "crop": crop})

    async with serve() as client:
        await until_ready(client)
        picture = picture_bytes(200, size=(45, 45))  # the model sees 4.5 … 40.5 of it
        answer = (await client.post("/v1/models/centre/inspect", content=picture)).json()
        assert answer["inspected"] == [5, 5, 36, 36]
        (region,) = answer["regions"]
        assert region["box"] == [4, 4, 37, 37]
        assert region["area"] == 36 * 36


async def test_a_score_on_the_picture_is_that_of_the_resized_map(serve, make_bundle) -> None:
    make_bundle("on_picture", score_from="map_on_picture")
    noise = np.random.default_rng(2).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    picture = cv2.imencode(".png", noise)[1].tobytes()

    async with serve() as client:
        await until_ready(client)
        scores = []
        for name in ("parts", "on_picture"):
            url = f"/v1/models/{name}/inspect"
            answer = await client.post(url, params={"heatmap": "raw"}, content=picture)
            scores.append(answer.json()["score"])
        raw = base64.b64decode(answer.json()["heatmap"]["data"])
        anomaly_map = torch.from_numpy(np.load(io.BytesIO(raw)))[None, None]
        resized = functional.interpolate(anomaly_map, (48, 64), mode="bilinear")
        assert scores[0] == pytest.approx(float(anomaly_map.max()))
        assert scores[1] == pytest.approx(float(resized.max()), abs=1e-6)
        assert scores[1] < scores[0] - 1e-3


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tiff"])
async def test_every_format_is_read(serve, picture_bytes, suffix) -> None:
    async with serve() as client:
        answer = (await client.post(URL, content=picture_bytes(100, suffix))).json()
        assert answer["score"] == pytest.approx(100 / 255, abs=0.01)


async def test_a_multipart_picture_answers_like_a_raw_one(serve, bad_part) -> None:
    async with serve() as client:
        raw = (await client.post(URL, content=bad_part)).json()
        form = (await client.post(URL, files={"image": ("a.png", bad_part)})).json()
        assert form["regions"] == raw["regions"]
        assert form["score"] == raw["score"]


@pytest.mark.parametrize(
    ("form", "complaint"),
    [
        ({"files": {"picture": ("a.png", b"x")}}, "no file in a field named `image`"),
        (
            {
                "content": b"--y\r\nnonsense",
                "headers": {"content-type": "multipart/form-data; boundary=x"},
            },
            "multipart body is damaged",
        ),
    ],
)
async def test_a_multipart_body_without_a_picture_is_refused(serve, form, complaint) -> None:
    async with serve() as client:
        response = await client.post(URL, **form)
        assert response.status_code == 400
        assert complaint in response.json()["detail"]


async def test_an_option_in_a_form_is_refused_as_it_would_not_hold(serve, bad_part) -> None:
    async with serve() as client:
        files = {"image": ("a.png", bad_part)}
        response = await client.post(URL, files=files, data={"threshold": "0.1"})
        assert (response.status_code, response.json()["code"]) == (422, "invalid_parameter")
        assert response.json()["detail"].startswith("threshold: the form has the field `image` al")


async def test_a_requests_thresholds_rule_its_own_verdict(serve, bad_part) -> None:
    async with serve() as client:
        query = {"threshold": 0.9, "pixel_threshold": 0.1}
        answer = (await client.post(URL, params=query, content=bad_part)).json()
        assert (answer["threshold"], answer["anomalous"]) == (0.9, True)
        assert answer["regions"][0]["box"] == [0, 0, 64, 48]


@pytest.mark.parametrize(
    ("query", "anomalous"),
    [
        ({"threshold": 0.9}, True),
        ({"pixel_threshold": 0.9}, True),
        ({"threshold": 0.9, "pixel_threshold": 0.9}, False),
        ({"threshold": 0.9, "pixel_threshold": 1e30}, False),
        ({"threshold": 0.1, "pixel_threshold": 1e30}, True),
    ],
)
async def test_a_score_or_a_region_over_its_threshold_is_enough(
    serve, bad_part, query, anomalous
) -> None:
    async with serve() as client:
        answer = (await client.post(URL, params=query, content=bad_part)).json()
        assert answer["anomalous"] is anomalous


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"heatmap": "colour"}, "heatmap"),
        ({"format": "gif"}, "format"),
        ({"threshold": "nan"}, "threshold"),
        ({"threshold": "high"}, "threshold"),
        ({"timeout_ms": 0}, "timeout_ms"),
        ({"heatmpa": "map"}, "heatmpa"),
    ],
)
async def test_a_wrong_option_is_refused_by_its_name(serve, bad_part, query, complaint) -> None:
    async with serve() as client:
        response = await client.post(URL, params=query, content=bad_part)
        assert response.status_code == 422
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        ProblemOut.model_validate(problem, strict=True)
        assert problem["code"] == "invalid_parameter"
        assert complaint in problem["detail"]


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("/v1/models/prats/inspect", "there is no model 'prats'; this server has parts"),
        ("/v1/models/parts/versions/7/inspect", "model parts has no version '7'; it has 1"),
    ],
)
async def test_an_unknown_model_is_named_with_those_that_there_are(
    serve, bad_part, url, complaint
) -> None:
    async with serve() as client:
        response = await client.post(url, content=bad_part)
        assert response.status_code == 404
        assert response.json()["detail"] == complaint


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_image"),
        (b"no picture at all", 415, "unsupported_image"),
        (b"\xff\xd8\xff\xe0" + bytes(100), 400, "invalid_image"),
        (b"GIF89a" + bytes(100), 415, "unsupported_image"),
    ],
)
async def test_a_bad_picture_is_refused_before_the_engine(
    serve, engines: list[FakeEngine], body, status, code
) -> None:
    async with serve() as client:
        response = await client.post(URL, content=body)
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert engines[0].batch_sizes == []


def bytes_of_a_chunk(kind: bytes, claimed: int) -> bytes:
    header = b"\0\0\0\x0dIHDR" + struct.pack(">IIBBBBBI", 8, 8, 8, 2, 0, 0, 0, 0x4B6D29DC)
    end = b"\0\0\0\0IEND\xaeB`\x82"
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", claimed) + kind + bytes(4) + end


async def test_a_picture_that_claims_more_than_it_has_is_refused(serve) -> None:
    async with serve() as client:
        response = await client.post(URL, content=bytes_of_a_chunk(b"tEXt", 0xFFFFFFF0))
        assert (response.status_code, response.json()["code"]) == (400, "invalid_image")
        assert "a chunk says 4294967280 bytes" in response.json()["detail"]


async def test_a_damaged_picture_writes_nothing_past_the_log(
    serve, bad_part, capfd: pytest.CaptureFixture[str]
) -> None:
    picture = cv2.imdecode(np.frombuffer(bad_part, np.uint8), cv2.IMREAD_COLOR)
    cut = cv2.imencode(".bmp", picture)[1].tobytes()[:-100]
    async with serve() as client:
        response = await client.post(URL, content=cut)
    assert response.status_code == 400
    assert capfd.readouterr().err == ""


async def test_too_many_pixels_are_refused(serve, bad_part) -> None:
    async with serve(max_image_pixels=1000) as client:
        response = await client.post(URL, content=bad_part)
        assert response.status_code == 413
        assert "max_image_pixels" in response.json()["detail"]


async def test_too_many_bytes_are_refused(serve, bad_part) -> None:
    async with serve(max_image_bytes=100) as client:
        for body in ({"content": bad_part}, {"files": {"image": ("a.png", bad_part)}}):
            response = await client.post(URL, **body)
            assert response.status_code == 413
            assert "max_image_bytes" in response.json()["detail"]


async def test_a_corrupt_picture_among_many_fails_alone(
    serve, engines: list[FakeEngine], bad_part
) -> None:
    async with serve(max_batch_size=8) as client:
        bodies = [bad_part] * 31
        bodies.insert(16, bad_part[: len(bad_part) // 2])
        answers = await asyncio.gather(*(client.post(URL, content=body) for body in bodies))
        assert [a.status_code for a in answers] == [200] * 16 + [400] + [200] * 15
        assert sum(engines[0].batch_sizes) == 31


async def test_an_engine_failure_is_told_without_its_insides(
    serve, engines: list[FakeEngine], bad_part
) -> None:
    async with serve() as client:
        engines[0].fail = True
        response = await client.post(URL, content=bad_part)
        assert (response.status_code, response.json()["code"]) == (500, "engine_failed")
        engines[0].fail = False
        assert (await client.post(URL, content=bad_part)).status_code == 200


async def test_an_unforeseen_error_tells_nothing(serve, bad_part, monkeypatch, caplog) -> None:
    def explode(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    async with serve() as client:
        monkeypatch.setattr("takt.core.inspection.finish.judge", explode)
        response = await client.post(URL, content=bad_part)
        assert (response.status_code, response.json()["code"]) == (500, "internal_error")
        assert "secret" not in response.text
        assert response.json()["request_id"] in caplog.text
        assert response.headers["x-request-id"] == response.json()["request_id"]
        assert "a secret" in caplog.text


async def test_a_full_queue_answers_429_with_retry_after(
    serve, engines: list[FakeEngine], bad_part
) -> None:
    async with serve(max_queue_size=2, max_batch_size=1) as client:
        engines[0].gate.clear()
        posts = [asyncio.create_task(client.post(URL, content=bad_part)) for _ in range(12)]
        async with asyncio.timeout(60):
            while sum(post.done() for post in posts) < 9:
                await asyncio.sleep(0)
        engines[0].gate.set()
        answers = await asyncio.gather(*posts)
        statuses = sorted(answer.status_code for answer in answers)
        assert set(statuses) == {200, 429}
        for answer in answers:
            if answer.status_code == 429:
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.json()["code"] == "queue_full"


async def test_a_passed_timeout_answers_504_while_the_engine_is_still_busy(
    serve, engines: list[FakeEngine], bad_part
) -> None:
    async with serve() as client:
        engines[0].gate.clear()
        response = await client.post(URL, params={"timeout_ms": 20}, content=bad_part)
        assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")
        engines[0].gate.set()


async def test_a_callers_request_id_comes_back_and_a_hostile_one_does_not(serve, bad_part) -> None:
    async with serve() as client:
        for given, kept in (("line-4:part.77", True), ("a b\tc", False), ("x" * 200, False)):
            response = await client.post(URL, content=bad_part, headers={"x-request-id": given})
            assert (response.headers["x-request-id"] == given) is kept
            assert response.json()["request_id"] == response.headers["x-request-id"]


async def test_any_finite_threshold_is_applied(serve, bad_part, subtests) -> None:
    names = ("threshold", "pixel_threshold")
    values = ("1e308", "-1e308", "5e-324", "18446744073709551616")
    async with serve() as client:
        for name, value in product(names, values):
            with subtests.test(name=name, value=value):
                answer = await client.post(URL, params={name: value}, content=bad_part)
                assert answer.status_code == 200


async def test_a_number_that_is_none_is_refused_by_its_name(serve, bad_part, subtests) -> None:
    names = ("threshold", "pixel_threshold", "timeout_ms")
    values = ("nan", "inf", "-inf", "1e400", "9" * 400, "0x10", "")
    async with serve() as client:
        for name, value in product(names, values):
            with subtests.test(name=name, value=value):
                answer = await client.post(URL, params={name: value}, content=bad_part)
                assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
                assert name in answer.json()["detail"]
