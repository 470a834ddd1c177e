"""What files of cameras ask for: pictures to be turned, and more than 8 bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from export.pictures import MAX_PIXELS, named
from service.core.bundles.manifest import Preprocess
from service.core.pictures.decode import decode_for_model
from service.core.pictures.formats.orientation import UPRIGHT, orientation_of
from service.core.pictures.header import read_header

MOST_DECODED = 20
"""Files of 16 bits that are decoded to see which of their levels they use."""

_SEEN = {"apply": "upright, as people do", "ignore": "as they are stored, as in the training"}
_DEPTHS = {
    "full": "0 to 65535 becomes 0 to 255",
    "12": "0 to 4095 becomes 0 to 255",
    "14": "0 to 16383 becomes 0 to 255",
    "max": "0 to the highest level of each picture becomes 0 to 255",
    "pillow": "grey is cut off at 255 and colours keep their high byte, as Pillow does",
}


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
            f"model sees them {_SEEN[spec.orientation]} (--orientation)"
        )
    if not found["deep"]:
        return
    tell(
        f"warning: {found['deep']} of {count} pictures have 16 bits: "
        f"{_DEPTHS[spec.depth]} (--depth)"
    )
    looked = min(found["deep"], MOST_DECODED)
    if found["dark_depth"]:
        tell(
            f"warning: {found['dark_depth']} of {looked} of these are nearly black so, as "
            "those of a camera of 12 or 14 bits are: give takt fit, takt learn and the server "
            "pictures whose levels are stretched to 16 bits; --depth 12 or 14 is for a model "
            "of others that was trained so"
        )
    if found["clipped_depth"]:
        tell(
            f"warning: {found['clipped_depth']} of {looked} of these have brighter levels, which "
            "are all white so; give another --depth, with which a model should be trained as well"
        )
