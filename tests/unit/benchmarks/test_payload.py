"""What is posted to each system, and the score in its answer."""

from __future__ import annotations

import json

import pytest

from benchmarks.peers.payload import payload, score_of

JPEG = b"\xff\xd8 a picture \xff\xd9"


def test_a_plain_body_is_the_picture():
    asked = payload("jpeg", JPEG)

    assert (asked.body, asked.headers) == (JPEG, {"Content-Type": "image/jpeg"})


@pytest.mark.parametrize("form", ["jpeg", "multipart", "oip"])
def test_a_key_goes_beside_the_headers_of_the_body(form):
    plain, shown = payload(form, JPEG), payload(form, JPEG, {"Authorization": "Bearer key"})

    assert shown.body == plain.body
    assert shown.headers == {**plain.headers, "Authorization": "Bearer key"}


def test_a_form_holds_the_picture_between_its_boundaries():
    asked = payload("multipart", JPEG)

    boundary = asked.headers["Content-Type"].partition("boundary=")[2].encode()
    before, part, after = asked.body.split(b"--" + boundary)
    head, _, content = part.partition(b"\r\n\r\n")
    assert (before, after) == (b"", b"--\r\n")
    assert b'name="images"; filename=' in head
    assert content == JPEG + b"\r\n"


def test_a_binary_tensor_follows_its_header_with_its_own_length_before_it():
    asked = payload("oip", JPEG)

    size = int(asked.headers["Inference-Header-Content-Length"])
    head, element = json.loads(asked.body[:size]), asked.body[size:]
    assert element == len(JPEG).to_bytes(4, "little") + JPEG
    assert head["inputs"][0]["parameters"]["binary_data_size"] == len(element)


@pytest.mark.parametrize(
    "answer",
    [
        {"score": 0.5, "map_max": 0.9},
        [{"score": 0.5}],
        {"outputs": [{"name": "stats", "data": [0.1]}, {"name": "score", "data": [0.5]}]},
    ],
)
def test_the_score_is_found_in_every_form_of_answer(answer):
    assert score_of(answer) == 0.5
