"""What speaks against an answer, by the size of the picture; comparisons of a few numbers.

| code | rule |
|---|---|
| `small_picture` | a side has less than half of the pixels that the model sees of it |
| `other_shape` | width by height is a tenth beyond what the model or its thresholds have seen |
| `other_size` | the shape is theirs, and a side is a tenth beyond all of theirs |
| `dark_depth` | a file of 16 bits uses their lowest quarter only (`depth.py`) |
| `clipped_depth` | a file of 16 bits has levels beyond what the bundle takes for white |
"""

from __future__ import annotations

from takt.core.bundles.manifest import Manifest
from takt.core.domain import WarningCode

_SMALL = 2
"""Times by which a picture may be enlarged."""


def size_warnings(manifest: Manifest, width: int, height: int) -> tuple[WarningCode, ...]:
    """What speaks against a picture of a size that a model can make little of, or has not seen.

    >>> from pathlib import Path
    >>> from takt.core.bundles.bundle import load_bundle
    >>> manifest = load_bundle(Path("examples/models/pitting/1")).manifest
    >>> size_warnings(manifest, 565, 230), size_warnings(manifest, 100, 60)
    ((), ('small_picture',))

    Args:
        manifest: of the model; it may not say which sizes were seen.
        width: of the picture, as it is stored, in pixels.
        height: of the picture, as it is stored, in pixels.
    """
    seen_as = manifest.tiling or manifest.preprocess
    seen = manifest.thresholds.sizes or manifest.fit.sizes
    found: list[WarningCode] = []
    if _SMALL * width < seen_as.width or _SMALL * height < seen_as.height:
        found.append("small_picture")
    if seen is not None and not seen.holds(width, height):
        found.append("other_size" if seen.has_shape(width, height) else "other_shape")
    return tuple(found)
