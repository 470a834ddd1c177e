"""From a picture, encoded or raw, to the model's input; the service and the exporter share it."""

from __future__ import annotations

import time
from typing import NamedTuple, cast

from takt.core.bundles.manifest import Preprocess
from takt.core.domain import FactVector, Image, ModelInput, RawPicture, WarningCode
from takt.core.pictures.decode import Decoded, decode, decode_for_model, from_raw
from takt.core.pictures.facts import Look, picture_facts
from takt.core.pictures.formats.image_header import ImageHeader
from takt.core.pictures.placement import Placement, placement
from takt.core.pictures.preprocess import preprocess
from takt.core.pictures.turning import Turn

Picture = bytes | RawPicture


class ReadPicture(NamedTuple):
    """A picture that was read.

    Attributes:
        width: width of the picture, upright, in pixels.
        height: height of the picture, upright, in pixels.
        placed: place of the model's map on the picture.
        whole: the picture as a person sees it, RGB uint8 [height, width, 3], if it is kept.
        decode_ms: time that decoding took.
        preprocess_ms: time that resizing took.
        turn: what makes the model's map upright.
        warning: what speaks against the depth of the file.
        facts: of the picture, without those of the model's answer; None where none were asked for.
    """

    width: int
    height: int
    placed: Placement
    whole: Image | None
    decode_ms: float
    preprocess_ms: float
    turn: Turn
    warning: WarningCode | None
    facts: FactVector | None


class Prepared(NamedTuple):
    """A picture that was read, and the model's input.

    Attributes:
        seen: the picture.
        model_input: RGB [*spec.input_size, 3] of the type `spec.input`.
    """

    seen: ReadPicture
    model_input: ModelInput


def prepare(
    data: Picture,
    spec: Preprocess,
    max_pixels: int,
    *,
    keep: bool = False,
    look: Look | None = None,
    header: ImageHeader | None = None,
) -> Prepared:
    """Decode, resize and crop.

    >>> raw = RawPicture(bytes(640 * 480), 640, 480, "mono8")
    >>> prepare(raw, Preprocess(width=256, height=256, resize="area"), 10**6).model_input.shape
    (256, 256, 3)

    Args:
        data: a whole file, or pixels.
        spec: preprocessing of the bundle.
        max_pixels: most pixels that the picture may have.
        keep: whether to keep the whole picture, to draw on.
        look: of good pictures, beside which the facts of the picture are told; None for none.
        header: of the file, if it was read already.

    Raises:
        RequestError: the picture is at fault.
    """
    started_s = time.perf_counter()
    decoded = read_for_model(data, spec, max_pixels, header)
    whole = None
    if keep:
        whole = upright(decoded)
        if whole.shape[:2] != (decoded.height, decoded.width):  # reduced
            whole = whole_picture(data, spec, max_pixels, header)
    decoded_s = time.perf_counter()
    model_input = preprocess(decoded.picture, spec)
    facts = None
    if look is not None:
        facts = picture_facts(model_input, decoded.width, decoded.height).beside(look)
    seen = ReadPicture(
        width=decoded.width,
        height=decoded.height,
        placed=placement(spec, decoded.width, decoded.height, decoded.turn),
        whole=whole,
        decode_ms=(decoded_s - started_s) * 1000,
        preprocess_ms=(time.perf_counter() - decoded_s) * 1000,
        turn=decoded.turn,
        warning=decoded.warning,
        facts=facts,
    )
    return Prepared(seen, model_input)


def whole_picture(
    data: Picture, spec: Preprocess, max_pixels: int, header: ImageHeader | None = None
) -> Image:
    """The picture as a person sees it: RGB uint8 [height, width, 3], upright.

    Raises:
        RequestError: the picture is at fault.
    """
    if isinstance(data, RawPicture):
        return from_raw(data, max_pixels)
    return decode(data, max_pixels, header, spec.depth)


def read_for_model(
    data: Picture, spec: Preprocess, max_pixels: int, header: ImageHeader | None = None
) -> Decoded:
    """The picture as the model sees it, decoded as small as the bundle allows.

    Raises:
        RequestError: the picture is at fault.
    """
    if not isinstance(data, RawPicture):
        return decode_for_model(data, max_pixels, spec, header)
    picture = from_raw(data, max_pixels)
    height, width, _ = picture.shape
    return Decoded(picture, width, height)


def upright(decoded: Decoded) -> Image:
    """A decoded picture as a person sees it."""
    return cast(Image, decoded.turn.array(decoded.picture))
