"""The preparation of anomalib's pictures, from the transforms in a checkpoint.

Since 2.7 a checkpoint names its transforms in plain data; before, it held pickled transforms of
torchvision, which come here as stand-ins. Transforms that Takt's service does not reproduce bit for
bit are refused by name.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass

from takt_models.checkpoints.facts import Centre, InputRecipe
from takt_models.checkpoints.files.pickles import StandIn, value_of

BILINEAR = ("bilinear", "2")
"""Name of the filter, and Pillow's number of it."""

DEEPEST = 3
MOST = 20
"""Largest depth of a Compose within others, and largest number of transforms in each."""


class UnknownPreparationError(ValueError):
    """A preparation that the service does not reproduce; the message says which."""


@dataclass(frozen=True)
class Normalisation:
    """(x - mean) / std per channel of RGB in [0,1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class Preparation:
    """The preparation of an RGB picture in [0,1] for the model.

    Attributes:
        recipe: sizes and filter.
        normalisation: normalisation after that, if any.
    """

    recipe: InputRecipe
    normalisation: Normalisation | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the model's input in pixels."""
        last = self.recipe.crop or self.recipe
        return last.height, last.width


@dataclass(frozen=True)
class _Transform:
    """One of torchvision's transforms: its class, and its arguments or attributes."""

    kind: str
    values: Mapping[str, object]


def read_transforms(described: object) -> Preparation:
    """The preparation that a checkpoint describes.

    Args:
        described: `{"class_path": ..., "init_args": ...}`, or a stand-in.

    Raises:
        UnknownPreparationError: the service does not reproduce the preparation.

    >>> resize = {"class_path": "v2.Resize", "init_args": {"size": [256, 320]}}
    >>> read_transforms(resize).recipe.text()
    'resized to 320 x 256 (tensor_bilinear)'
    """
    transforms = _flat(described, DEEPEST)
    kinds = [transform.kind for transform in transforms]
    order = [kind for kind in ("Resize", "CenterCrop", "Normalize") if kind in kinds]
    if strange := [kind for kind in kinds if kind not in order]:
        raise UnknownPreparationError(f"{strange[0]} is applied to them")
    if kinds != order or "Resize" not in kinds:
        raise UnknownPreparationError(
            f"{', '.join(kinds) or 'nothing'} is applied to them, and not Resize, CenterCrop and "
            "Normalize in this order"
        )
    by_kind = {transform.kind: transform.values for transform in transforms}
    height, width = _resized(by_kind["Resize"])
    crop = _centre(by_kind["CenterCrop"], height, width) if "CenterCrop" in by_kind else None
    normalisation = _normalisation(by_kind["Normalize"]) if "Normalize" in by_kind else None
    return Preparation(InputRecipe(width, height, "tensor_bilinear", crop, "pillow"), normalisation)


def _flat(described: object, depth: int) -> list[_Transform]:
    transform = _transform(described)
    if transform.kind != "Compose":
        return [transform]
    inner = transform.values.get("transforms")
    if not isinstance(inner, (list, tuple)) or len(inner) > MOST or not depth:
        raise UnknownPreparationError("a Compose without a plain list of transforms is applied")
    return [flat for one in inner for flat in _flat(one, depth - 1)]


def _transform(described: object) -> _Transform:
    if isinstance(described, StandIn):
        state = described.state
        return _Transform(described.kind, state if isinstance(state, dict) else {})
    if isinstance(described, dict):
        path, values = described.get("class_path"), described.get("init_args")
        if isinstance(path, str) and isinstance(values, dict):
            return _Transform(path.rpartition(".")[2], values)
    raise UnknownPreparationError("something that is no transform is applied to them")


def _resized(values: Mapping[str, object]) -> tuple[int, int]:
    size = values.get("size")
    pair = _integers(size, 2)
    if pair is None:
        raise UnknownPreparationError(
            f"Resize has the size {_plain(size)}, which keeps the ratio of width to height"
        )
    if values.get("max_size") is not None:
        raise UnknownPreparationError(f"Resize has the max_size {_plain(values['max_size'])}")
    interpolation = _plain(value_of(values.get("interpolation", "bilinear"))).strip("'").lower()
    if interpolation not in BILINEAR:
        raise UnknownPreparationError(f"Resize interpolates by {interpolation}, not bilinearly")
    if values.get("antialias", True) is not True:
        raise UnknownPreparationError(
            f"Resize has antialias {_plain(values['antialias'])}, and only True is reproduced"
        )
    return pair[0], pair[1]


def _centre(values: Mapping[str, object], height: int, width: int) -> Centre:
    size = values.get("size")
    pair = _integers(size, 2) or _integers([size, size], 2)
    if pair is None:
        raise UnknownPreparationError(f"CenterCrop has the size {_plain(size)}")
    if pair[0] > height or pair[1] > width:
        raise UnknownPreparationError(
            f"CenterCrop to {pair[0]} x {pair[1]} pads a picture of {height} x {width}"
        )
    return Centre(width=pair[1], height=pair[0])


def _normalisation(values: Mapping[str, object]) -> Normalisation:
    mean, std = _triple(values.get("mean")), _triple(values.get("std"))
    if mean is None or std is None or 0 in std:
        raise UnknownPreparationError(
            f"Normalize has the mean {_plain(values.get('mean'))} and the std "
            f"{_plain(values.get('std'))}, and not one number for each of R, G and B"
        )
    return Normalisation(mean, std)


def _integers(value: object, count: int) -> list[int] | None:
    if not isinstance(value, (list, tuple)) or len(value) != count:
        return None
    whole = [one for one in value if type(one) is int and one > 0]
    return whole if len(whole) == count else None


def _triple(value: object) -> tuple[float, float, float] | None:
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        return None
    if not all(isinstance(one, (int, float)) for one in value):
        return None
    red, green, blue = map(float, value)
    return red, green, blue


def _plain(value: object) -> str:
    """A value for a message, however large it is."""
    return reprlib.repr(value)
