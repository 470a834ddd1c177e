"""What files of cameras ask for: pictures to be turned, and more than 8 bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from takt.core.bundles.manifest import Preprocess
from takt.core.pictures.decode import decode_for_model
from takt.core.pictures.formats.orientation import UPRIGHT, orientation_of
from takt.core.pictures.header import read_header
from takt_export.pictures import MAX_PIXELS, named, picture_header
from takt_models.checkpoints.facts import FileDepth

MOST_DECODED = 20
"""Files of 16 bits that are decoded to see which of their levels they use."""

_OF_CAMERAS: tuple[FileDepth, ...] = ("12", "14")
_LOOK = Preprocess(width=8, height=8, resize="area")

_SEEN = {"apply": "upright, as people do", "ignore": "as they are stored, as in the training"}
_DEPTHS = {
    "full": "0 to 65535 becomes 0 to 255",
    "12": "0 to 4095 becomes 0 to 255",
    "14": "0 to 16383 becomes 0 to 255",
    "max": "0 to the highest level of each picture becomes 0 to 255",
    "pillow": "grey is cut off at 255 and colours keep their high byte, as Pillow does",
}


def file_depth(pictures: Sequence[Path], tell: Callable[[str], None]) -> FileDepth:
    """The fewest bits that hold the levels of good pictures of 16, as the fit is to see them.

    Cameras of 12 and 14 bits leave the highest ones empty.

    Args:
        pictures: to fit on, of which at most `MOST_DECODED` of 16 bits, evenly, are decoded.
        tell: takes a line for people if there are such pictures.

    Raises:
        PicturesError: a picture cannot be read.
    """
    deep = [path for path in pictures if picture_header(path).bits == 16]
    if not deep:
        return "full"
    some = deep[:: -(-len(deep) // MOST_DECODED)]
    held = (bits for bits in _OF_CAMERAS if not any(_clipped(path, bits) for path in some))
    depth: FileDepth = next(held, "full")
    of_camera = "" if depth == "full" else f", as of a camera of {depth} bits"
    tell(f"{len(deep)} of {len(pictures)} pictures have 16 bits: {_DEPTHS[depth]}{of_camera}")
    return depth


def _clipped(path: Path, depth: FileDepth) -> bool:
    """Whether a picture has brighter levels than a camera of so many bits."""
    with named(path):
        spec = _LOOK.model_copy(update={"depth": depth})
        return decode_for_model(path.read_bytes(), MAX_PIXELS, spec).warning == "clipped_depth"


def tell_of_files(pictures: Sequence[Path], spec: Preprocess, tell: Callable[[str], None]) -> None:
    """Tells how the model sees pictures that are turned or have more than 8 bits, if there are any.

    Raises:
        PicturesError: a picture cannot be read.
    """
    found: Counter[str] = Counter()
    for path in pictures:
        with named(path):
            data = path.read_bytes()
            header = read_header(data)
            found["turned"] += orientation_of(data, header) != UPRIGHT
            if header.bits == 16:
                found["deep"] += 1
                if found["deep"] <= MOST_DECODED:
                    warning = decode_for_model(data, MAX_PIXELS, spec, header).warning
                    found[warning or "fits"] += 1
    count = len(pictures)
    if found["turned"]:
        tell(
            f"warning: {found['turned']} of {count} pictures are turned by their files (EXIF); the "
            f"model sees them {_SEEN[spec.orientation]}"
        )
    if not found["deep"]:
        return
    tell(f"warning: {found['deep']} of {count} pictures have 16 bits: {_DEPTHS[spec.depth]}")
    looked = min(found["deep"], MOST_DECODED)
    if found["dark_depth"]:
        tell(
            f"warning: {found['dark_depth']} of {looked} of these are nearly black so, as "
            "those of a camera of 12 or 14 bits are: a fit of Takt sees that by its own pictures; "
            "a model of others that was trained so gets it by --depth 12 or 14 of `takt export "
            "onnx` or `takt import onnx`"
        )
    if found["clipped_depth"]:
        tell(
            f"warning: {found['clipped_depth']} of {looked} of these have brighter levels, which "
            "are all white so: give pictures of the camera that the model was trained on"
        )
