from __future__ import annotations

from typing import Any

import pytest

from takt_models.checkpoints.anomalib.preprocessing import (
    Normalisation,
    Preparation,
    UnknownPreparationError,
    read_transforms,
)
from takt_models.checkpoints.facts import Centre, InputRecipe
from takt_models.checkpoints.files.pickles import StandIn

RESIZE = {"size": [300, 320], "interpolation": "bilinear", "max_size": None, "antialias": True}
NORMALIZE = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "inplace": False}


def plain(kind: str, **arguments: object) -> dict[str, Any]:
    """As anomalib 2.7 says it."""
    return {"class_path": f"torchvision.transforms.v2.{kind}", "init_args": arguments}


def pickled(kind: str, **attributes: object) -> StandIn:
    """As it comes out of older checkpoints."""
    name = f"torchvision.transforms.v2._geometry.{kind}"
    made: StandIn = type("StandIn", (StandIn,), {"name": name})()
    made.__setstate__({"training": True, **attributes})
    return made


@pytest.mark.parametrize("make", [plain, pickled])
def test_a_resize_alone_is_the_recipe(make: Any) -> None:
    assert read_transforms(make("Resize", **RESIZE)) == Preparation(
        InputRecipe(320, 300, "tensor_bilinear", opened_by="pillow")
    )


@pytest.mark.parametrize("make", [plain, pickled])
def test_all_three_in_nested_compositions_are_the_recipe(make: Any) -> None:
    inner = make("Compose", transforms=[make("CenterCrop", size=(200, 224))])
    normalize = make("Normalize", **NORMALIZE)
    described = make("Compose", transforms=[make("Resize", **RESIZE), inner, normalize])
    found = read_transforms(described)
    assert found.recipe == InputRecipe(
        320, 300, "tensor_bilinear", Centre(width=224, height=200), "pillow"
    )
    assert found.normalisation == Normalisation((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert found.size == (200, 224)


def test_one_side_of_a_crop_is_both() -> None:
    described = plain(
        "Compose", transforms=[plain("Resize", **RESIZE), plain("CenterCrop", size=256)]
    )
    assert read_transforms(described).recipe.crop == Centre(256, 256)


@pytest.mark.parametrize("member", [("bilinear",), (StandIn, "BILINEAR"), (2,)])
def test_a_pickled_interpolation_is_bilinear_by_value_name_or_number(
    member: tuple[object, ...],
) -> None:
    resize = pickled("Resize", **RESIZE | {"interpolation": StandIn(*member)})
    assert read_transforms(resize).recipe.resize == "tensor_bilinear"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"interpolation": "bicubic"}, "Resize interpolates by bicubic, not bilinearly"),
        ({"interpolation": "nearest"}, "by nearest"),
        ({"interpolation": [["x"] * 9] * 9}, "not bilinearly"),
        ({"antialias": False}, "Resize has antialias False, and only True is reproduced"),
        ({"antialias": "warn"}, "antialias 'warn'"),
        ({"antialias": None}, "antialias None"),
        ({"size": 256}, "Resize has the size 256, which keeps the ratio"),
        ({"size": [256]}, r"size \[256\], which keeps the ratio"),
        ({"size": [256, 0]}, "keeps the ratio"),
        ({"size": [256.0, 256.0]}, "keeps the ratio"),
        ({"size": None}, "keeps the ratio"),
        ({"max_size": 512}, "Resize has the max_size 512"),
    ],
)
@pytest.mark.parametrize("make", [plain, pickled])
def test_a_resize_that_the_service_does_not_do_is_named(
    make: Any, change: dict[str, object], message: str
) -> None:
    with pytest.raises(UnknownPreparationError, match=message):
        read_transforms(make("Resize", **RESIZE | change))


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        ([], "nothing is applied"),
        ([plain("CenterCrop", size=256)], "CenterCrop is applied to them, and not Resize"),
        (
            [plain("CenterCrop", size=256), plain("Resize", **RESIZE)],
            "CenterCrop, Resize is applied to them, and not Resize, CenterCrop and Normalize in",
        ),
        ([plain("Resize", **RESIZE), plain("Resize", **RESIZE)], "Resize, Resize is applied"),
        ([plain("Resize", **RESIZE), plain("Grayscale")], "Grayscale is applied"),
        ([plain("SquarePad"), plain("Resize", **RESIZE)], "SquarePad is applied"),
        ([plain("Resize", **RESIZE), plain("CenterCrop", size=301)], "pads a picture of 300 x 320"),
        ([plain("Resize", **RESIZE), plain("CenterCrop", size="x")], "CenterCrop has the size 'x'"),
        (
            [plain("Resize", **RESIZE), plain("Normalize", mean=[0.5], std=[0.5])],
            r"Normalize has the mean \[0.5\] and the std \[0.5\], and not one number for each",
        ),
        (
            [plain("Resize", **RESIZE), plain("Normalize", mean=[0.5] * 3, std=[0.5, 0, 0.5])],
            "Normalize has the mean",
        ),
        ("text", "a Compose without a plain list"),
        ([3], "something that is no transform"),
        ([plain("Resize", **RESIZE)] * 99, "a Compose without a plain list"),
    ],
)
def test_other_transforms_are_named(transforms: object, message: str) -> None:
    with pytest.raises(UnknownPreparationError, match=message):
        read_transforms(plain("Compose", transforms=transforms))


def test_a_composition_that_holds_itself_is_refused() -> None:
    described = plain("Compose", transforms=[])
    described["init_args"]["transforms"].append(described)
    with pytest.raises(UnknownPreparationError, match="a Compose without a plain list"):
        read_transforms(described)


@pytest.mark.parametrize("described", [None, 3, "Resize", {}, {"class_path": 1, "init_args": 2}])
def test_what_is_no_transform_is_refused(described: object) -> None:
    with pytest.raises(UnknownPreparationError, match="something that is no transform"):
        read_transforms(described)


def test_a_huge_value_makes_no_huge_message() -> None:
    bomb: list[object] = ["x"]
    for _ in range(40):
        bomb = [bomb, bomb]
    with pytest.raises(UnknownPreparationError) as caught:
        read_transforms(plain("Resize", **RESIZE | {"size": bomb}))
    assert len(str(caught.value)) < 2000
