from __future__ import annotations

import contextlib
import random

import pytest

pytest.importorskip("grpc_health", reason="gRPC is an extra")

from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from takt.api.rpc.messages import parsed
from takt.api.rpc.wire import MAX_FIELDS, MAX_HEAD_BYTES, split
from takt.core.errors import ImageTooLargeError, RequestError

Request = service_pb2.ModelInferRequest


def message(*raw: bytes) -> bytes:
    image = {"name": "image", "datatype": "BYTES", "shape": [len(raw)]}
    request = Request(
        model_name="nut",
        model_version="2",
        id="belt 3",
        inputs=[image],
        outputs=[{"name": "score"}],
        raw_input_contents=raw,
    )
    request.parameters["timeout"].int64_param = -(2**63)
    request.parameters["threshold"].double_param = 0.5
    written: bytes = request.SerializeToString()
    return written


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_head_and_raw_contents_together_are_what_a_parser_finds(raw: list[bytes]) -> None:
    whole = message(*raw)
    found = split(whole)
    assert [bytes(one) for one in found.raw] == raw
    head = parsed(Request, found.head)
    assert not head.raw_input_contents
    head.raw_input_contents.extend(raw)
    assert head == Request.FromString(whole)


def test_raw_contents_may_stand_anywhere() -> None:
    one = Request(raw_input_contents=[b"ab"]).SerializeToString()
    two = Request(model_name="nut").SerializeToString()
    three = Request(id="7").SerializeToString()
    found = split(one + two + one + three)
    assert [bytes(part) for part in found.raw] == [b"ab", b"ab"]
    assert parsed(Request, found.head) == Request(model_name="nut", id="7")


def test_raw_contents_are_views_and_not_copies() -> None:
    whole = message(bytes(1000))
    assert split(whole).raw[0].obj is whole


@pytest.mark.parametrize(
    ("damaged", "complaint"),
    [
        (b"\x3a\x05abcd", "cut short"),
        (b"\x3a", "cut short"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "cut short"),
        (b"\x38\x01", "cut short"),
        (b"\x00\x01", "cut short"),
        (b"\x0b\x0c", "cut short"),
        (b"\x09abc", "cut short"),
        (b"\xff" * 20, "cut short"),
        (b"\x3a\x00" * (MAX_FIELDS + 1), f"more than {MAX_FIELDS} fields"),
    ],
)
def test_a_damaged_message_is_refused(damaged: bytes, complaint: str) -> None:
    with pytest.raises(RequestError, match=complaint):
        split(damaged)


def test_what_is_to_be_parsed_is_bounded_and_pictures_are_not() -> None:
    assert split(message(bytes(MAX_HEAD_BYTES * 2)))
    long = Request(model_name="n" * MAX_HEAD_BYTES).SerializeToString()
    with pytest.raises(ImageTooLargeError, match="send pictures as raw_input_contents"):
        split(long)


def test_no_damage_is_anything_else_than_the_callers_fault() -> None:
    rng, whole = random.Random(1), message(b"one picture", b"another")
    for _ in range(3000):
        bad = bytearray(whole)
        for _ in range(rng.randrange(1, 5)):
            match rng.randrange(3):
                case 0:
                    bad[rng.randrange(len(bad))] = rng.randrange(256)
                case 1:
                    del bad[rng.randrange(len(bad)) :]
                    bad += b"\x00"
                case 2:
                    bad.insert(rng.randrange(len(bad)), rng.randrange(256))
        with contextlib.suppress(RequestError):
            parsed(Request, split(bytes(bad)).head)
