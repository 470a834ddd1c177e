import json
from typing import Any

import numpy as np
import orjson
import pytest

from takt.api.oip.inputs import InputTensor, pictures_of
from takt.core.domain import RawPicture
from takt.core.errors import RequestError

LIMITS = {"most": 4, "max_pixels": 1000}


def tensor(**fields: Any) -> InputTensor:
    return InputTensor.model_validate(fields)


@pytest.mark.parametrize("style", [{}, {"separators": (",", ":")}, {"indent": 2}])
@pytest.mark.parametrize("nested", [True, False])
def test_pixels_are_read_however_their_numbers_are_written(nested, style) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    data = pixels.tolist() if nested else pixels.ravel().tolist()
    given = {"name": "pixels", "shape": [2, 5, 7, 3], "datatype": "UINT8", "data": data}
    read = pictures_of(tensor(**orjson.loads(json.dumps(given, **style))), None, **LIMITS)
    assert read == [RawPicture(one.tobytes(), 7, 5, "rgb8") for one in pixels]


@pytest.mark.parametrize(
    "data",
    [
        [1, [2]],
        [[1], 2],
        [[], 1],
        [[[]]],
        [True, 1],
        [1, -1],
        [1, 256],
        [1, 10**30],
        {"1": 2},
        "12",
    ],
)
def test_what_is_no_list_of_bytes_is_refused_rather_than_guessed(data) -> None:
    pixels = tensor(name="pixels", shape=[1, 1, 2], datatype="UINT8", data=data)
    with pytest.raises(RequestError, match="must be a list of whole numbers of 0 to 255"):
        pictures_of(pixels, None, **LIMITS)


@pytest.mark.parametrize("data", [["YWI=", "Yw=="], [["YWI="], ["Yw=="]], [["YWI=", "Yw=="]]])
def test_pictures_in_base64_may_stand_in_rows(data) -> None:
    image = tensor(name="image", shape=[2, 1], datatype="BYTES", data=data)
    assert pictures_of(image, None, **LIMITS) == [b"ab", b"c"]
