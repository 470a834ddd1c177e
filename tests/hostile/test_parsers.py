"""What reads foreign bytes first refuses them with an error of ours, whatever they are."""

from __future__ import annotations

import random

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from takt.api.oip.request import OipLimits, read_request
from takt.api.stream.messages import Hello, hello_of
from takt.core.bundles.manifest import Manifest
from takt.core.errors import RequestError
from takt.core.pictures.header import read_header
from takt.streaming.frames import unpack
from tests.hostile.oip_bodies import HEADER_LENGTH, broken_body
from tests.hostile.pictures import MUTATIONS, mutant, originals

quick = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
LIMITS = OipLimits(1_000_000, 16, timeout_ms=1000)
PREFIXES = st.sampled_from([data[:40] for data in originals().values()])
VALUES = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**64 - 1) | st.floats() | st.text(max_size=8)
)
JSON = VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(st.text(max_size=4), VALUES)


def header_is_read_or_refused(data: bytes) -> None:
    try:
        header = read_header(data)
    except RequestError as error:
        assert error.status in (400, 413, 415)
    else:
        assert header.width >= 1
        assert header.height >= 1


@quick
@given(PREFIXES, st.binary(max_size=400))
def test_no_bytes_behind_a_good_beginning_upset_the_header(start: bytes, rest: bytes) -> None:
    header_is_read_or_refused(start + rest)


@quick
@given(st.integers(0, 2**32))
def test_no_tampered_picture_upsets_the_header(seed: int) -> None:
    header_is_read_or_refused(mutant(random.Random(seed)).data)


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_mutation_changes_every_kind_of_picture(name: str) -> None:
    for number, data in enumerate(originals().values()):
        changed = [MUTATIONS[name](random.Random(seed), data) for seed in range(8)]

        assert any(one != data for one in changed), number


@quick
@given(st.integers(0, 2**32))
def test_no_inference_request_upsets_its_reader(seed: int) -> None:
    body = broken_body(random.Random(seed))
    length = body.headers.get(HEADER_LENGTH, "")
    json_bytes = int(length) if length.isascii() and length.isdigit() else None

    try:
        request = read_request(body.data, json_bytes, LIMITS)
    except RequestError as error:
        assert 400 <= error.status < 500
    else:
        assert request.pictures


@quick
@given(st.integers(0, 2**32))
def test_no_message_by_grpc_upsets_its_reader(seed: int) -> None:
    pytest.importorskip("grpc_health", reason="gRPC is an extra")
    from takt.api.rpc.messages import parsed, request_of
    from takt.api.rpc.wire import split
    from tests.hostile.rpc_messages import ModelInferRequest, broken_message

    try:
        found = split(broken_message(random.Random(seed)))
        request = request_of(parsed(ModelInferRequest, found.head), found.raw, LIMITS)
    except RequestError as error:
        assert 400 <= error.status < 500
    else:
        assert request.pictures


@quick
@given(st.dictionaries(st.sampled_from(("vote", *Hello.model_fields)), JSON))
def test_no_hello_upsets_a_stream(fields: dict[str, object]) -> None:
    for text in (orjson.dumps({"type": "hello", "unknown": 1, **fields}).decode(), str(fields)):
        with pytest.raises(RequestError):
            hello_of(text)


@quick
@given(st.binary(max_size=80) | st.binary(max_size=60).map(b"TK\x01".__add__))
def test_no_frame_upsets_a_stream(data: bytes) -> None:
    try:
        assert 0 <= unpack(data).sequence < 2**64
    except RequestError as error:
        assert error.status == 400


@quick
@given(st.dictionaries(st.sampled_from(sorted(Manifest.model_fields)), JSON))
def test_no_manifest_upsets_its_reader(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate(fields)
