import json

import numpy as np
import orjson
import pytest

from service.api.oip import long_data as oip_long_data
from service.api.oip.long_data import Taken, take_long_data
from service.errors import RequestError


@pytest.fixture(params=[256, 1 << 18], ids=["many slices", "one slice"])
def slices(request, monkeypatch) -> None:
    monkeypatch.setattr(oip_long_data, "SLICE_BYTES", request.param)


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("style", [{}, {"separators": (",", ":")}, {"indent": 2}])
@pytest.mark.parametrize("nested", [True, False])
def test_numbers_are_taken_out_however_they_are_written(slices, picture, style, nested) -> None:
    data = picture.tolist() if nested else picture.ravel().tolist()
    inputs = [{"name": "pixels", "shape": [2, 5, 7, 3], "data": data, "last": 1}, {"data": [7]}]
    taken = take_long_data(json.dumps({"inputs": inputs}, **style).encode())
    arrays = taken.arrays
    assert [array.tolist() for array in arrays] == [picture.ravel().tolist(), [7]]
    assert all(array.dtype == np.uint8 for array in arrays)
    inputs[0]["data"], inputs[1]["data"] = 0, 1
    assert orjson.loads(taken.left) == {"inputs": inputs}


@pytest.mark.parametrize(
    "text",
    [
        b'{"data": []}',
        b'{"data": ["1,2,3"]}',
        b'{"data": [1.5, 2]}',
        b'{"data": [1, "a"]}',
        b'{"data": 5, "shape": [1, 2]}',
        b'{"text": "\\"data\\": [1, 2]"}',
        b'{"data": "data"}',
        b"",
    ],
)
def test_what_is_no_array_of_numbers_stays_as_it_is(slices, text) -> None:
    assert take_long_data(text) == Taken(text, [], [])


@pytest.mark.parametrize(
    "numbers",
    [
        *("[256]", "[1000]", "[99999999999999999999]", "[01]", "[007]"),
        *("[1,]", "[,1]", "[1,,2]", "[1 2]", "[[1][2]]", "[[1],]", "[1[2]]", "[[1]2]", "[1,[]]"),
        *("[1]]", "[[1,2]", "[1],[2]", "[[1]],[2]"),
    ],
)
def test_malformed_numbers_are_refused_rather_than_guessed(slices, numbers) -> None:
    with pytest.raises((RequestError, orjson.JSONDecodeError)):
        orjson.loads(take_long_data(b'{"data": %s}' % numbers.encode()).left)


def test_brackets_without_end_are_refused(slices) -> None:
    with pytest.raises(RequestError):
        take_long_data(b'{"data": ' + b"[" * 500_000 + b"1" + b"]" * 500_000 + b"}")


def test_a_number_at_the_edge_of_a_slice_is_whole(monkeypatch) -> None:
    values = [*range(256), *range(255, -1, -1)]
    text = json.dumps({"data": values}).encode()
    for size in range(16, 80):
        monkeypatch.setattr(oip_long_data, "SLICE_BYTES", size)
        (array,) = take_long_data(text).arrays
        assert array.tolist() == values


@pytest.mark.parametrize("style", [{}, {"separators": (",", ":")}, {"indent": 2}])
@pytest.mark.parametrize("nested", [True, False])
def test_long_strings_are_taken_out_and_short_ones_stay(slices, style, nested) -> None:
    data = ["ab" * 20_000, "short", "cd" * 20_000]
    image = {"data": [[one] for one in data] if nested else data, "shape": [3], "datatype": "BYTES"}
    taken = take_long_data(json.dumps({"inputs": [image]}, **style).encode())
    assert [bytes(text).decode() for text in taken.texts] == [data[0], data[2]]
    left = [0, "short", 1]
    image["data"] = [[one] for one in left] if nested else left
    assert orjson.loads(taken.left) == {"inputs": [image]}


@pytest.mark.parametrize(
    "data", ['["%s\\/%s"]', '["\\"", "%s%s"]', '{"a": "%s%s"}', '5, "a": "%s%s"']
)
def test_strings_with_escapes_and_those_elsewhere_are_left_to_the_parser(slices, data) -> None:
    text = b'{"data": %s}' % (data % ("a" * 20_000, "b" * 20_000)).encode()
    assert take_long_data(text) == Taken(text, [], [])
    orjson.loads(text)


def test_a_long_string_without_end_is_left_to_the_parser(slices) -> None:
    text = b'{"data": ["' + b"a" * 50_000
    assert take_long_data(text) == Taken(text, [], [])
