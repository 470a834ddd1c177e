from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from takt.core.bundles.manifest import Crop, Preprocess
from takt_export.errors import ExportError
from takt_export.imported.built_in import BuiltInNormalisation
from takt_export.imported.input_transform import InputTransform
from takt_export.imported.preprocessing import (
    InputOptions,
    PictureSize,
    find_transform,
    preprocess_of,
)
from takt_export.imported.signature import InputPort

FILE = Path("by-others.onnx")
IMAGENET = BuiltInNormalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1)


@dataclass
class View:
    """Stands for what a graph does by itself."""

    own: BuiltInNormalisation | None = None
    target: tuple[int, int] | None = None
    cut: Crop | None = None
    unclear: bool = False

    def normalisation(self) -> BuiltInNormalisation | None:
        return self.own

    def own_size(self) -> tuple[int, int] | None:
        return self.target

    def resized(self, height: int, width: int) -> tuple[int, int] | None:
        return self.target

    def window(self, height: int, width: int) -> Crop | None:
        if self.unclear:
            raise ValueError
        return self.cut


@dataclass
class Found:
    transform: InputTransform
    told: list[str] = field(default_factory=list)


def find(
    view: View,
    *,
    port_size: tuple[int | None, int | None] = (32, 24),
    dtype: str = "float32",
    channels: int = 3,
    **options: Any,
) -> Found:
    told: list[str] = []
    port = InputPort("x", np.dtype(dtype), "nchw", None, channels, *port_size)
    transform = find_transform(FILE, port, view, InputOptions(**options), told.append)  # type: ignore[arg-type]
    return Found(transform, told)


def refused(view: View, **given: Any) -> str:
    with pytest.raises(ExportError) as raised:
        find(view, **given)
    return str(raised.value)


def test_a_graph_that_normalises_by_itself_gets_its_pictures_on_its_own_scale() -> None:
    found = find(View(IMAGENET))
    assert (found.transform.mean, found.transform.std, found.transform.white) == ((0,), (1,), 1)
    assert found.told == [
        "the graph normalises by itself (mean 0.485, 0.456, 0.406; std 0.229, 0.224, 0.225), so it "
        "gets pictures from 0 to 1"
    ]
    assert find(View(BuiltInNormalisation((127.5,), (127.5,), 255))).transform.white == 255


def test_a_normalisation_that_is_nowhere_is_asked_for_with_the_usual_answers() -> None:
    message = refused(View())
    assert "nothing in the graph normalises its pictures" in message
    assert "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225" in message
    assert "--mean 0 --std 1 for plain ones from 0 to 1" in message
    assert "--white 255" in message
    unusual = refused(View(BuiltInNormalisation((2.0,), (0.5,), None)))
    assert "first (mean 2; std 0.5) is no usual normalisation, so say" in unusual


def test_what_is_given_is_taken() -> None:
    found = find(View(), mean=(0.1, 0.2, 0.3), std=(0.5,), white=255)
    assert (found.transform.mean, found.transform.std, found.transform.white) == (
        (0.1, 0.2, 0.3),
        (0.5,),
        255,
    )
    assert found.told == []
    plain = find(View(), white=1)
    assert (plain.transform.mean, plain.transform.std, plain.transform.white) == ((0,), (1,), 1)


@pytest.mark.parametrize(
    ("given", "contradicts"),
    [
        ({"mean": (0.485,), "std": (0.229,)}, True),
        ({"white": 255}, True),
        ({"mean": (0.0,), "std": (1.0,)}, False),
        ({"white": 1}, False),
    ],
)
def test_what_is_given_wins_over_what_is_found_with_a_warning(
    given: dict[str, Any], contradicts: bool
) -> None:
    found = find(View(IMAGENET), **given)
    assert found.transform.mean == given.get("mean", (0,))
    assert found.transform.white == given.get("white", 1)
    assert [line[:37] for line in found.told] == [
        "warning: the graph normalises its pic"
    ] * contradicts


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mean": (0.5,)}, "--mean and --std belong together"),
        ({"std": (0.5,)}, "--mean and --std belong together"),
        ({"mean": (0.5,) * 3, "std": (1.0,), "channels": 1}, "--mean has 3 numbers, .* 1 channels"),
        ({"dtype": "uint8", "white": 255}, "takes pixels as they are, in uint8"),
        ({"channels": 1, "bgr": True, "white": 1}, "grey pictures, which have no order"),
        ({"white": 1, "port_size": (None, None)}, "any size; say that of its training with --size"),
        ({"white": 1, "size": PictureSize(32, 32)}, "pictures of 24x32 pixels .*not of 32x32"),
        ({"white": 1, "port_size": (None, 24), "size": PictureSize(32, 32)}, "24xany pixels"),
    ],
)  # fmt: skip
def test_what_contradicts_the_graph_is_refused(given: dict[str, Any], message: str) -> None:
    assert re.search(message, refused(View(), **given))


def test_a_graph_of_pixels_needs_no_normalisation() -> None:
    assert find(View(), dtype="uint8").transform.white == 255


def open_size(view: View, asked: PictureSize | None = None) -> Found:
    return find(view, port_size=(None, None), size=asked, white=1)


def test_an_open_size_is_the_one_that_is_given_or_that_the_graph_resizes_to() -> None:
    given = open_size(View(), PictureSize(40, 30))
    assert (given.transform.width, given.transform.height, given.told) == (40, 30, [])
    own = open_size(View(target=(30, 40)))
    assert (own.transform.width, own.transform.height) == (40, 30)
    assert own.told == [
        "the graph resizes its pictures to 40x30 pixels, so they reach it at that size"
    ]


def test_a_graph_that_resizes_what_it_is_given_is_warned_of() -> None:
    given = open_size(View(target=(30, 40)), PictureSize(50, 50))
    assert (given.transform.width, given.transform.height) == (50, 50)
    fixed = find(View(target=(30, 40)), white=1)
    for found, size in ((given, "50x50"), (fixed, "24x32")):
        assert f"warning: the graph resizes pictures of {size} pixels to 40x30" in found.told[0]


def test_a_crop_of_the_graph_s_own_is_told_and_one_that_is_unclear_warned_of() -> None:
    crop = Crop(x=4, y=5, width=16, height=20)
    cut = find(View(cut=crop), white=1)
    assert cut.transform.window == crop
    assert cut.told == ["the graph cuts 16x20 pixels at (4, 5) out of 24x32; the map lies there"]
    unclear = find(View(unclear=True), white=1)
    assert unclear.transform.window is None
    assert "cannot be followed" in unclear.told[0]


def spec(window: Crop | None = None, **options: Any) -> Preprocess:
    port = InputPort("x", np.dtype("float32"), "nchw", None, 3, 32, 24)
    return preprocess_of(InputTransform(port, 32, 24, window), InputOptions(**options))


def test_pictures_are_resized_to_the_graph_s_input_with_the_chosen_filter() -> None:
    assert spec(resize="area") == Preprocess(width=24, height=32, resize="area")
    assert spec().resize == "tensor_bilinear"


def test_the_crop_of_the_training_is_in_the_centre() -> None:
    assert spec(crop_from=PictureSize(27, 42)).crop == Crop(x=2, y=5, width=24, height=32)
    assert spec(crop_from=PictureSize(24, 32)).crop is None
    with pytest.raises(ExportError, match=r"--crop-from 20x40: .*24x32 pixels cannot be cut"):
        spec(crop_from=PictureSize(20, 40))


def test_the_graph_s_own_crop_lies_within_that_of_the_training() -> None:
    window = Crop(x=4, y=5, width=16, height=20)
    inner = spec(window)
    assert (inner.width, inner.height, inner.crop) == (24, 32, window)
    both = spec(window, crop_from=PictureSize(30, 40))
    assert (both.width, both.height) == (30, 40)
    assert both.crop == Crop(x=3 + 4, y=4 + 5, width=16, height=20)
