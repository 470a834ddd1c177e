from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from onnx import parser

from takt.core.bundles.manifest import Crop
from takt_export.imported.built_in import BuiltInNormalisation, BuiltInPreprocessing
from takt_export.imported.nodes import GraphNodes
from takt_export.imported.signature import find_input

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
STORED = """
float[3,1,1] mean = {0.485, 0.456, 0.406}, float[3,1,1] std = {0.229, 0.224, 0.225},
float[3] mean255 = {123.675, 116.28, 103.53}, float[3] std255 = {58.395, 57.12, 57.375},
float[1,3,1,1] rest = {-2.117904, -2.0357143, -1.8044444},
float[1,3,1,1] gain = {4.366812, 4.4642857, 4.4444446},
float half = {0.5}, float two = {2.0}, float one = {1.0}, float white = {255.0},
float[3] ones = {1, 1, 1}, float[3] zeros = {0, 0, 0}, float[3] var = {0.0524, 0.0502, 0.0506},
float[4,3,1,1] kernel, float[3,4] matrix
"""
END = "y = Conv(n, kernel)"


def view(body: str, described: str = "float[N,3,16,12]") -> BuiltInPreprocessing:
    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        g ({described} x) => (float[N] y) <{STORED}> {{ {body} }}"""
    )
    return BuiltInPreprocessing(GraphNodes(model), find_input(model, Path("m.onnx"), None))


def approx(mean: Any, std: Any, white: int | None) -> BuiltInNormalisation:
    return BuiltInNormalisation(
        pytest.approx(mean, abs=1e-4),
        pytest.approx(std, abs=1e-4),
        white,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "body",
    [
        "a = Sub(x, mean) n = Div(a, std)",
        "a = Mul(x, gain) n = Add(a, rest)",
        "a = Mul(gain, x) n = Add(rest, a)",
        "c = Identity(mean) a = Sub(x, c) b = Cast<to = 1>(a) n = Div(b, std)",
        "axes = Constant<value = int64[3] {-1, 1, 1}>() c = Constant<value = float[3] "
        "{0.485, 0.456, 0.406}>() m = Reshape(c, axes) a = Sub(x, m) n = Div(a, std)",
        "s = Shape(x) r = Reshape(x, s) a = Sub(r, mean) n = Div(a, std)",
        "i = Constant<value = int64[3] {2, 1, 0}>() r = Gather<axis = 1>(x, i) "
        "a = Sub(r, mean) n = Div(a, std)",
    ],
)
def test_a_graph_that_normalises_as_for_imagenet_takes_pictures_from_0_to_1(body: str) -> None:
    assert view(body + END).normalisation() == approx(*IMAGENET, 1)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("t = Transpose<perm = [0, 2, 3, 1]>(x) a = Sub(t, mean255) n = Div(a, std255)",
         ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), 255)),
        ("b = Div(x, white) a = Sub(b, mean) n = Div(a, std)",
         ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), 255)),
        ("n = Div(x, white)", ((0.0,), (255.0,), 255)),
        ("a = Mul(x, two) n = Sub(a, one)", ((0.5,), (0.5,), 1)),
        ("n = BatchNormalization(x, ones, zeros, mean, var)",
         (IMAGENET[0], (0.22893, 0.22408, 0.22497), 1)),
        ("a = Sub(x, two) n = Div(a, half)", ((2.0,), (0.5,), 255)),
    ],
)  # fmt: skip
def test_other_normalisations_tell_what_white_is(body: str, expected: tuple[Any, ...]) -> None:
    stored = body.replace("mean, var", "flat, var")
    flat = "flat = Constant<value = float[3] {0.485, 0.456, 0.406}>() "
    assert view(flat + stored + END).normalisation() == approx(*expected)


@pytest.mark.parametrize(
    "body",
    [
        "n = Relu(x)",
        "n = Identity(x)",
        "a = Transpose<perm = [0, 2, 3, 1]>(x) n = MatMul(a, matrix)",
        "a = Conv(x, kernel) b = Sub(a, half) n = Div(b, half)",
        "a = Relu(x) n = Sub(a, x)",
    ],
)
def test_a_graph_that_begins_with_its_network_normalises_nothing(body: str) -> None:
    assert view(body + END).normalisation() is None


@pytest.mark.parametrize(
    "body",
    ["a = Sub(half, x) n = Div(a, half)", "n = Mul(x, two)", "a = Add(x, half) n = Div(a, half)"],
)
def test_what_is_no_usual_normalisation_says_nothing_of_white(body: str) -> None:
    found = view(body + END).normalisation()
    assert found is not None
    assert found.white is None


def test_a_way_without_normalisation_does_not_count_beside_one_with() -> None:
    both = "a = Sub(x, mean) n = Div(a, std) plain = Conv(x, kernel)"
    assert view(both + END).normalisation() == approx(*IMAGENET, 1)


def test_ways_that_contradict_each_other_say_nothing_of_white() -> None:
    both = "a = Sub(x, mean) n = Div(a, std) b = Div(x, white) plain = Conv(b, kernel)"
    found = view(both + END).normalisation()
    assert found is not None
    assert found.white is None


RESIZE = """
s = Shape(x) first = Constant<value = int64[1] {0}>() second = Constant<value = int64[1] {2}>()
front = Slice(s, first, second) target = Constant<value = int64[2] {20, 16}>()
sizes = Concat<axis = 0>(front, target)
n = Resize<mode = "linear", coordinate_transformation_mode = "half_pixel">(x, , , sizes)
"""


PADDED = """
two_i = Constant<value = int64 {2}>() three_i = Constant<value = int64 {3}>()
none = Constant<value = int64[1] {0}>() nones = Constant<value = int64[4] {0, 0, 0, 0}>()
all = Shape(x) h = Gather(all, two_i) w = Gather(all, three_i) m = Max(h, w) d = Sub(m, w)
right = Unsqueeze(d, none) b = Concat<axis = 0>(nones, none, none, none, right)
p = Pad<mode = "edge">(x, b)
"""


def test_a_graph_that_pads_pictures_before_it_resizes_them_is_told() -> None:
    padded = PADDED + RESIZE.replace("(x, , , sizes)", "(p, , , sizes)") + END
    assert view(padded, "float[N,3,H,W]").reshapes_first()
    assert view(padded, "float[N,3,H,W]").own_size() == (20, 16)
    assert not view(RESIZE + END, "float[N,3,H,W]").reshapes_first()


def test_the_size_that_a_graph_resizes_to_is_found() -> None:
    assert view(RESIZE + END, "float[N,3,H,W]").own_size() == (20, 16)
    assert view(RESIZE + END).resized(16, 12) == (20, 16)


def test_the_first_resize_counts_where_a_network_looks_at_several_sizes() -> None:
    halves = (
        "h = Constant<value = float[4] {1, 1, 0.5, 0.5}>() m = Resize(n, , h) z = Conv(m, kernel)"
    )
    assert view(RESIZE + halves + END, "float[N,3,H,W]").own_size() == (20, 16)


def test_a_resize_that_follows_its_input_sets_no_size() -> None:
    halved = "r = Constant<value = float[4] {1, 1, 0.5, 0.5}>() n = Resize(x, , r)"
    assert view(halved + END, "float[N,3,H,W]").own_size() is None
    assert view("n = Relu(x)" + END, "float[N,3,H,W]").own_size() is None


def cut(
    top: int, left: int, bottom: int, right: int, *, source: str = "x", axes: str = "2, 3"
) -> str:
    return f"""
    starts = Constant<value = int64[2] {{{top}, {left}}}>()
    ends = Constant<value = int64[2] {{{bottom}, {right}}}>()
    axes = Constant<value = int64[2] {{{axes}}}>()
    c = Slice({source}, starts, ends, axes)
    a = Sub(c, mean) n = Div(a, std)
    """


def test_the_part_that_a_graph_cuts_out_is_found() -> None:
    assert view(cut(3, 2, 13, 10) + END).window(16, 12) == Crop(x=2, y=3, width=8, height=10)
    assert view(cut(0, 2, 99, -1) + END).window(16, 12) == Crop(x=2, y=0, width=9, height=16)


def test_it_is_found_in_other_layouts_and_behind_the_normalisation() -> None:
    nhwc = cut(3, 2, 13, 10, axes="1, 2").replace("mean", "mean255").replace("std", "std255")
    found = view(nhwc + END, "float[1,16,12,3]").window(16, 12)
    assert found == Crop(x=2, y=3, width=8, height=10)
    late = "m = Sub(x, mean) d = Div(m, std)" + cut(3, 2, 13, 10, source="d") + END
    assert view(late).window(16, 12) == Crop(x=2, y=3, width=8, height=10)
    half = cut(3, 2, 13, 10).replace("a = Sub(c, mean) n = Div(a, std)", "n = Relu(c)")
    assert view(half + END, "float16[1,3,16,12]").window(16, 12) == Crop(
        x=2, y=3, width=8, height=10
    )


def test_a_crop_behind_a_resize_to_the_same_size_is_found() -> None:
    resized = RESIZE.replace("n = Resize", "r = Resize") + cut(2, 2, 18, 14, source="r") + END
    assert view(resized, "float[N,3,H,W]").window(20, 16) == Crop(x=2, y=2, width=12, height=16)


@pytest.mark.parametrize("size", [(40, 32), (10, 8), (15, 12)])
def test_a_crop_behind_a_true_resize_covers_the_pixels_that_it_is_made_of(
    size: tuple[int, int],
) -> None:
    """Against torch: a pixel matters to the cut picture or it does not."""
    resized = RESIZE.replace("n = Resize", "r = Resize") + cut(4, 2, 16, 14, source="r") + END
    picture = torch.zeros(1, 1, *size, requires_grad=True)
    torch.nn.functional.interpolate(picture, (20, 16), mode="bilinear")[
        ..., 4:16, 2:14
    ].sum().backward()
    assert picture.grad is not None
    rows, columns = (picture.grad[0, 0].sum(axis) > 1e-6 for axis in (1, 0))
    found = view(resized, "float[N,3,H,W]").window(*size)
    assert found is not None
    ours = (found.y, found.y + found.height, found.x, found.x + found.width)
    theirs = [
        int(edge)
        for axis in (rows, columns)
        for edge in (axis.nonzero()[0], axis.nonzero()[-1] + 1)
    ]
    assert ours == tuple(theirs)


def test_pixels_that_a_resize_leaves_out_belong_to_their_neighbours() -> None:
    resized = RESIZE.replace("n = Resize", "r = Resize") + cut(4, 2, 16, 14, source="r") + END
    found = view(resized, "float[N,3,H,W]").window(60, 48)
    assert found == Crop(x=3 * 2, y=3 * 4, width=3 * 12, height=3 * 12)


@pytest.mark.parametrize(
    "body",
    [
        "n = Relu(x)",
        "p = Constant<value = int64[8] {0, 0, 2, 2, 0, 0, 2, 2}>() n = Pad(x, p)",
        cut(0, 0, 16, 12),
        "f = Constant<value = int64[1] {0}>() t = Constant<value = int64[1] {99}>() "
        "a = Constant<value = int64[1] {2}>() s = Constant<value = int64[1] {4}>() "
        "n = Slice(x, f, t, a, s)",
    ],
)
def test_a_graph_that_looks_at_every_part_cuts_nothing(body: str) -> None:
    assert view(body + END).window(16, 12) is None


def test_a_crop_that_is_not_for_all_of_the_network_is_unclear() -> None:
    with pytest.raises(ValueError):
        view(cut(3, 2, 13, 10) + "other = Conv(x, kernel)" + END).window(16, 12)
