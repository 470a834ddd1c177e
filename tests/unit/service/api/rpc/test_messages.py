from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("grpc_health", reason="gRPC is an extra")

from tritonclient.grpc import service_pb2

from takt.api.oip.request import OipLimits
from takt.api.rpc.messages import parsed, request_of
from takt.core.domain import RawPicture
from takt.core.errors import RequestError

Request = service_pb2.ModelInferRequest
LIMITS = OipLimits(max_image_pixels=1000, max_queue_size=8, timeout_ms=250.0)


def image(**fields: Any) -> dict[str, Any]:
    return {"name": "image", "datatype": "BYTES", "shape": [1], **fields}


def pixels(**fields: Any) -> dict[str, Any]:
    return {"name": "pixels", "datatype": "UINT8", "shape": [1, 2, 2, 1], **fields}


def element(data: bytes) -> memoryview:
    return memoryview(len(data).to_bytes(4, "little") + data)


def test_pictures_are_read_wherever_they_are() -> None:
    typed = image(shape=[2], contents={"bytes_contents": [b"ab", b"c"]})
    assert request_of(Request(inputs=[typed]), [], LIMITS).pictures == [b"ab", b"c"]
    assert request_of(Request(inputs=[image()]), [element(b"ab")], LIMITS).pictures == [b"ab"]
    grey = [RawPicture(memoryview(bytes([1, 2, 3, 255])), 2, 2, "mono8")]
    typed = pixels(contents={"uint_contents": [1, 2, 3, 255]})
    assert request_of(Request(inputs=[typed]), [], LIMITS).pictures == grey
    raw = [memoryview(bytes([1, 2, 3, 255]))]
    assert request_of(Request(inputs=[pixels()]), raw, LIMITS).pictures == grey


def test_base64_is_read_where_it_is_named() -> None:
    tensor = image(parameters={"content_type": {"string_param": "base64"}})
    assert request_of(Request(inputs=[tensor]), [element(b"YWI=")], LIMITS).pictures == [b"ab"]


def test_parameters_of_every_kind_are_options() -> None:
    message = Request(inputs=[image()], id="7", outputs=[{"name": "heatmap"}])
    message.parameters["threshold"].double_param = 0.25
    message.parameters["pixel_threshold"].int64_param = 1
    message.parameters["timeout"].int64_param = 500_000
    message.parameters["priority"].uint64_param = 2
    message.parameters["heatmap"].string_param = "map"
    message.parameters["binary_data_output"].bool_param = True
    read = request_of(message, [element(b"ab")], LIMITS)
    options = read.options
    assert (options.threshold, options.pixel_threshold, options.timeout_s) == (0.25, 1.0, 0.5)
    assert (options.priority, options.heatmap, read.id) == ("bulk", "map", "7")


def test_without_parameters_there_are_defaults() -> None:
    read = request_of(Request(inputs=[image()]), [element(b"ab")], LIMITS)
    assert (read.id, read.options.timeout_s, read.options.priority) == (None, 0.25, "line")
    assert [one.spec.name for one in read.outputs] == ["score", "threshold", "anomalous", "regions"]


@pytest.mark.parametrize(
    ("message", "raw", "complaint"),
    [
        ({"inputs": []}, [], "the inputs are none; send one"),
        ({"inputs": [image(), pixels()]}, [], "the inputs are image, pixels"),
        ({"inputs": [image()] * 65}, [], "65 parts in one place"),
        ({"inputs": [image()], "outputs": [{"name": "score"}] * 65}, [], "65 parts in one place"),
        ({"inputs": [image(name="x" * 65)]}, [], "inputs.0.name"),
        ({"inputs": [image(shape=[1] * 9)]}, [], "inputs.0.shape"),
        ({"inputs": [image(datatype="UINT8")]}, [], "the datatype of image is BYTES"),
        ({"inputs": [image()]}, [], "says 1 elements, there are 0"),
        ({"inputs": [image(shape=[2])]}, [b"\x02\x00\x00\x00ab"], "ends before element 1 of 2"),
        ({"inputs": [image()]}, [b"", b""], "there are 2 raw_input_contents"),
        ({"inputs": [image(contents={"bytes_contents": [b"a"]})]}, [b"a"], "has both contents and"),
        ({"inputs": [pixels(contents={"uint_contents": [256] * 4})]}, [], "numbers of 0 to 255"),
        ({"inputs": [pixels(contents={"fp32_contents": [1.0] * 4})]}, [], "4 values, 0 came"),
        ({"inputs": [pixels()]}, [b"123"], "4 values, 3 came"),
        ({"inputs": [pixels(shape=[1, 2**31, 2**31])]}, [b"1"], "max_image_pixels"),
        ({"inputs": [image()], "outputs": [{"name": "label"}]}, [b""], "there are score"),
        ({"inputs": [image()], "id": "i" * 1025}, [b""], "id: String should have at most"),
        (
            {"inputs": [image(parameters={f"p{one}": {} for one in range(65)})]},
            [b""],
            "65 parts in one place are too many; 64 are allowed",
        ),
        (
            {"inputs": [image()], "parameters": {"treshold": {"double_param": 1.0}}},
            [b""],
            "parameters.treshold",
        ),
        (
            {"inputs": [image()], "parameters": {"timeout_ms": {"int64_param": 0}}},
            [b""],
            "parameters.timeout_ms",
        ),
        (
            {"inputs": [image(parameters={"shared_memory_region": {"string_param": "a"}})]},
            [b""],
            "shared_memory_region",
        ),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    message: dict[str, Any], raw: list[bytes], complaint: str
) -> None:
    with pytest.raises(RequestError, match=complaint):
        request_of(Request(**message), [memoryview(one) for one in raw], LIMITS)


def test_a_message_of_another_kind_is_refused() -> None:
    with pytest.raises(RequestError, match="is no ModelInferRequest"):
        parsed(Request, b"\x0a\x05nut")
    with pytest.raises(RequestError, match="is no ModelInferRequest"):
        parsed(Request, b"\x0a\x01\xff")
