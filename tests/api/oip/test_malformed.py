"""Wrong requests of the Open Inference Protocol: each is told what to do, none is a 500."""

import base64
import json
import random
import struct
from typing import Any

import httpx

from takt.api.schemas import ProblemOut

INFER = "/v2/models/parts/infer"
PIXELS = {"name": "pixels", "shape": [1, 2, 2, 3], "datatype": "UINT8", "data": [9] * 12}
ELEMENT = struct.pack("<I", 3) + b"abc"


def image(**changes: Any) -> dict[str, Any]:
    return {"name": "image", "shape": [1], "datatype": "BYTES", "data": ["YWJj"], **changes}


def pixels(**changes: Any) -> dict[str, Any]:
    return {**PIXELS, **changes}


def request(*inputs: dict[str, Any], **rest: Any) -> bytes:
    return json.dumps({"inputs": inputs, **rest}).encode()


def binary(data: bytes, claimed: int | None = None, **changes: Any) -> tuple[bytes, dict[str, str]]:
    """A request with an image in binary, and its headers."""
    size = len(data) if claimed is None else claimed
    tensor = image(parameters={"binary_data_size": size}, **changes)
    del tensor["data"]
    head = request(tensor)
    return head + data, {"Inference-Header-Content-Length": str(len(head))}


def refusal_of(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["error"] == problem["detail"]
    ProblemOut.model_validate({k: v for k, v in problem.items() if k != "error"}, strict=True)
    return problem


MALFORMED = (
    (b"", 400, "the body is no JSON"),
    (b"{", 400, "the body is no JSON"),
    (b"\xff\xfe{}", 400, "the body is no JSON"),
    (
        b"[" * 400_001,
        400,
        "the JSON has more than 400000 values; send the tensor as binary data",
    ),
    (b"[" * 5_000 + b"]" * 5_000, 400, "the body is no JSON"),
    (b"[]", 422, "the body: Input should be"),
    (b"{}", 422, "inputs: Field required"),
    (b'{"inputs": 1}', 422, "inputs: Input should be a valid list"),
    (b'{"inputs": [1]}', 422, "inputs.0: Input should be"),
    (b'{"inputs": [' + b"{}," * 200_000 + b"{}]}", 400, "more than 400000 values"),
    (b'{"inputs": [' + b"1," * 64 + b"1]}", 422, "65 parts in one place are too many"),
    (request(image(), **{f"k{one}": 0 for one in range(64)}), 422, "65 parts in one place"),
    (request(image(parameters={f"k{one}": 0 for one in range(65)})), 422, "65 parts in one"),
    (request(image(), outputs=[{"name": "score"}] * 65), 422, "65 parts in one place"),
    (request(image(), parameters={f"k{one}": 0 for one in range(65)}), 422, "65 parts in one"),
    (request(), 422, "the inputs are none; send one, image or pixels"),
    (request(image(), pixels()), 422, "the inputs are image, pixels; send one"),
    (request(image(name="picture")), 422, "the inputs are picture; send one"),
    (request(image(name="x" * 65)), 422, "inputs.0.name"),
    (request(image(datatype="UINT8")), 422, "the datatype of image is BYTES, not 'UINT8'"),
    (request(pixels(datatype="FP128")), 422, "the datatype of pixels is UINT8, not 'FP128'"),
    (request(image(colour="red")), 422, "inputs.0.colour"),
    (request(image(shape="1")), 422, "inputs.0.shape"),
    (request(image(shape=[])), 422, "the shape of image is [N] or [N,1], not []"),
    (request(image(shape=[1, 2])), 422, "the shape of image is [N] or [N,1]"),
    (request(image(shape=[True])), 422, "inputs.0.shape.0"),
    (request(image(shape=[1.5])), 422, "inputs.0.shape.0"),
    (request(image(shape=[1] * 9)), 422, "inputs.0.shape"),
    (request(image(shape=[0], data=[])), 422, "image has 0 pictures; send 1 to 64"),
    (request(image(shape=[-1])), 422, "image has -1 pictures; send 1 to 64"),
    (request(image(shape=[10**30])), 422, "inputs.0.shape.0"),
    (request(image(shape=[65], data=["YWJj"] * 65)), 422, "image has 65 pictures"),
    (request(image(shape=[2])), 400, "says 2 elements, `data` has 1"),
    (request(image(data=None)), 400, "`data` of image must be a list of strings"),
    (request(image(data="YWJj")), 400, "`data` of image must be a list of strings"),
    (request(image(data=[1])), 400, "`data` of image must be a list of strings"),
    (request(image(data=0)), 400, "`data` of image must be a list of strings"),
    (request(image(data=[["YWJj", None]])), 400, "`data` of image must be a list of strings"),
    (request(image(data=["not base64!"])), 400, "an element of image is no base64"),
    (request(image(data=["YW\nJj"])), 400, "is no base64, without line ends"),
    (request(image(data=["YWJ"])), 400, "an element of image is no base64"),
    (request(image(data=["Ü"])), 400, "an element of image is no base64"),
    (request(image(data=["data:image/png;base64,YWJj"])), 400, "without a data: prefix"),
    (request(image(data=[""])), 400, ""),
    (request(image()), 400, "are too few for a picture"),
    (request(image(data=["bm8gcGljdHVyZSBhdCBhbGw="])), 415, ""),
    (request(pixels(shape=[1, 2, 2, 4])), 422, "the shape of pixels is [N,H,W,3] in RGB"),
    (request(pixels(shape=[12])), 422, "the shape of pixels is [N,H,W,3] in RGB"),
    (request(pixels(shape=[1, -2, -2, 3])), 422, "the shape of pixels is [N,H,W,3] in RGB"),
    (request(pixels(shape=[1, 0, 2, 3])), 422, "the shape of pixels is [N,H,W,3] in RGB"),
    (request(pixels(shape=[1, 10**9, 10**9, 3])), 413, "max_image_pixels"),
    (request(pixels(shape=[1, 2**31, 2**31])), 413, "max_image_pixels"),
    (request(pixels(shape=[1, 2, 3, 3])), 400, "are 18 values, 12 came"),
    (request(pixels(data=[256] * 12)), 400, "a list of whole numbers of 0 to 255"),
    (request(pixels(data=[9] * 11 + [-1])), 400, "a list of whole numbers of 0 to 255"),
    (request(pixels(data=[9.5] * 12)), 400, "a list of whole numbers of 0 to 255"),
    (request(pixels(data=["9"] * 12)), 400, "a list of whole numbers of 0 to 255"),
    (request(pixels(data=True)), 400, "a list of whole numbers of 0 to 255"),
    (request(pixels(data=7)), 400, "a list of whole numbers of 0 to 255"),
    (request(pixels(data=[1.5] * 70_000)), 400, "a list of whole numbers of 0 to 255"),
    (request(pixels(data=[[True] * 12])), 400, "a list of whole numbers of 0 to 255"),
    (request(pixels(data=[[9] * 6, 9])), 400, "a list of whole numbers of 0 to 255"),
    (request(pixels(data=[])), 400, "a list of whole numbers of 0 to 255"),
    (request(pixels(data=[9] * 400_001)), 400, "Inference-Header-Content-Length"),
    (request(image(data=["A" * 9_000_000])), 413, "send the tensor as binary data"),
    (request(pixels()).replace(b"9, 9]", b"9 9]"), 400, "the body is no JSON"),
    (request(pixels()).replace(b"9, 9]", b"9,,9]"), 400, "the body is no JSON"),
    (request(pixels()).replace(b"9, 9]", b"9, 9]]"), 400, "the body is no JSON"),
    (request(pixels(parameters={"content_type": "base64"})), 422, "only image"),
    (request(image(parameters={"binary_data_size": 4})), 400, "both data and binary_data_size"),
    (request(image(data=None, parameters={"binary_data_size": 4})), 400, "needs the header"),
    (request(image(parameters={"content_type": "np"})), 422, "content_type"),
    (request(image(parameters={"shared_memory_region": "a"})), 422, "shared_memory_region"),
    (request(image(), id=5), 422, "id: Input should be a valid string"),
    (request(image(), outputs=[{"name": "label"}]), 422, "there are score, threshold"),
    (request(image(), outputs=[{"name": "score"}] * 2), 422, "'score' is asked for twice"),
    (
        request(image(), outputs=[{"name": "score", "parameters": {"classification": 3}}]),
        422,
        "outputs.0.parameters.classification",
    ),
    (request(image(), parameters={"treshold": 1}), 422, "parameters.treshold"),
    (request(image(), parameters={"threshold": "0.5"}), 422, "parameters.threshold"),
    (request(image(), parameters={"threshold": True}), 422, "parameters.threshold"),
    (request(image(), parameters={"timeout_ms": 0}), 422, "parameters.timeout_ms"),
    (request(image(), parameters={"timeout": -1}), 422, "parameters.timeout"),
    (request(image(), parameters={"timeout": 9, "timeout_ms": 9}), 422, "are the same"),
    (request(image(), parameters={"priority": 3}), 422, "parameters.priority"),
    (request(image(), parameters={"priority": ["line"]}), 422, "parameters.priority"),
    (request(image(), parameters={"priority": True}), 422, "parameters.priority"),
    (request(image(), parameters={"priority": 1.0}), 422, "parameters.priority"),
    (request(image(), parameters={"heatmap": "raw"}), 422, "parameters.heatmap"),
    (request(image(), parameters={"heatmap": "map"}), 422, "name it in outputs"),
    (request(image(), parameters={"format": "gif"}), 422, "parameters.format"),
    (request(image(), parameters={"sequence_id": 4}), 422, "parameters.sequence_id"),
    (request(image(), model="parts"), 422, "model: Extra inputs are not permitted"),
)
"""A body, the status of its refusal, and what that says."""


async def test_a_malformed_request_is_told_what_to_do(serve, subtests) -> None:
    async with serve() as client:
        for body, status, complaint in MALFORMED:
            with subtests.test(complaint, length=len(body)):
                response = await client.post(INFER, content=body)
                told = refusal_of(response)["detail"]
                assert (response.status_code, complaint in told) == (status, True), told


OF_ANOTHER_LENGTH = (
    (binary(ELEMENT, claimed=8), "binary_data_size of image is 8, but 7 bytes follow"),
    (binary(ELEMENT, claimed=6), "binary_data_size of image is 6, but 7 bytes follow"),
    (binary(ELEMENT[:-1]), "element 0 is to have 3 bytes, but 2 are left"),
    (binary(ELEMENT[:3]), "the binary data ends before element 0 of 1"),
    (binary(ELEMENT * 2), "7 bytes follow the last of 1 elements"),
    (binary(ELEMENT, shape=[2]), "the binary data ends before element 1 of 2"),
    (binary(struct.pack("<I", 2**32 - 1)), "element 0 is to have 4294967295 bytes"),
    (binary(b""), "the binary data ends before element 0 of 1"),
    (
        (binary(ELEMENT)[0], {"Inference-Header-Content-Length": "100000"}),
        "says 100000 bytes of JSON",
    ),
    ((binary(ELEMENT)[0], {"Inference-Header-Content-Length": "9"}), "is no JSON"),
    ((binary(ELEMENT)[0], {"Inference-Header-Content-Length": "0"}), "is no JSON"),
    ((binary(ELEMENT)[0], {"Inference-Header-Content-Length": "-4"}), "no whole number"),
    ((binary(ELEMENT)[0], {"Inference-Header-Content-Length": "1e3"}), "no whole number"),
    ((binary(ELEMENT)[0], {"Inference-Header-Content-Length": "9" * 40}), "no whole number"),
    ((binary(ELEMENT)[0], {}), "Inference-Header-Content-Length must say"),
    ((request(image()), {"Content-Encoding": "gzip"}), "compressed (gzip)"),
)
"""A body with its headers, and what its refusal says."""


async def test_binary_data_of_another_length_is_refused(serve, subtests) -> None:
    async with serve() as client:
        for (body, headers), complaint in OF_ANOTHER_LENGTH:
            with subtests.test(complaint, length=len(body)):
                response = await client.post(INFER, content=body, headers=headers)
                assert complaint in refusal_of(response)["detail"]
                assert (response.status_code, response.json()["code"]) == (400, "bad_request")


async def test_bytes_that_no_input_claims_are_refused(serve) -> None:
    body = request(image())
    headers = {"Inference-Header-Content-Length": str(len(body))}

    async with serve() as client:
        response = await client.post(INFER, content=body + b"more", headers=headers)
        assert response.status_code == 400
        assert "4 bytes follow the JSON, of which image claims none" in response.json()["error"]


async def test_a_body_that_is_too_long_is_refused(serve) -> None:
    async with serve(max_image_bytes=1000) as client:
        response = await client.post(INFER, content=request(image(data=["YWJj" * 400])))
        assert (response.status_code, refusal_of(response)["code"]) == (413, "image_too_large")


async def test_too_many_pixels_are_refused_encoded_or_raw(serve, bad_part) -> None:
    data = base64.b64encode(bad_part).decode()

    async with serve(max_image_pixels=1000) as client:
        for tensor in (image(data=[data]), pixels(shape=[1, 100, 100], data=[0] * 10_000)):
            response = await client.post(INFER, content=request(tensor))
            assert response.status_code == 413
            assert "max_image_pixels" in refusal_of(response)["detail"]


ABSENT = (
    ("GET", "/v2/models/prats", 404),
    ("GET", "/v2/models/prats/ready", 404),
    ("GET", "/v2/models/parts/versions/7", 404),
    ("GET", "/v2/models/parts/versions/7/config", 404),
    ("POST", "/v2/models/parts/versions/7/infer", 404),
    ("POST", "/v2/repository/models/parts/unload", 404),
    ("GET", "/v2/systemsharedmemory/status", 404),
    ("GET", "/v2/trace/setting", 404),
    ("GET", INFER, 405),
)


async def test_what_there_is_not_is_refused_in_the_protocols_form(serve, subtests) -> None:
    async with serve() as client:
        for method, url, status in ABSENT:
            with subtests.test(f"{method} {url}"):
                response = await client.request(method, url)
                refusal_of(response)
                assert response.status_code == status


async def test_a_malformed_request_for_the_index_is_refused(serve, subtests) -> None:
    async with serve() as client:
        for body in (b"[]", b"{", b'{"ready": 1}', b'{"redy": true}', b" " * 20_000):
            with subtests.test(body[:20]):
                response = await client.post("/v2/repository/index", content=body)
                refusal_of(response)
                assert response.status_code == 422


async def test_no_damage_to_a_request_is_ever_a_fault_of_ours(serve, bad_part) -> None:
    rng = random.Random(3)
    text = base64.b64encode(bad_part).decode()
    whole = [
        (request(image(data=[text]), outputs=[{"name": "score"}]), {}),
        (request(pixels(), parameters={"priority": 1, "threshold": 0.5}), {}),
        binary(struct.pack("<I", len(bad_part)) + bad_part),
    ]

    def damaged(body: bytes) -> bytes:
        damage = bytearray(body)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(min(len(damage), 300))
            kind = rng.random()
            if kind < 0.4:
                damage[at] = rng.choice(b'0129-[]{},:"e \\\xff\x00')
            elif kind < 0.6:
                damage.insert(at, rng.choice(b'0129-[]{},:"e '))
            elif kind < 0.8:
                del damage[at]
            else:
                del damage[at : at + rng.randrange(1, 40)]
        return bytes(damage)

    async with serve() as client:
        statuses = set()
        for body, headers in whole:
            for _ in range(200):
                response = await client.post(INFER, content=damaged(body), headers=headers)
                assert response.status_code < 500, response.text
                statuses.add(response.status_code)
        assert statuses >= {200, 400, 422}
