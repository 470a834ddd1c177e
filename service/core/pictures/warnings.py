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

from service.core.bundles.manifest import Manifest
from service.core.domain import WarningCode

_SMALL = 2
"""Times by which a picture may be enlarged."""


class SizeWarnings:
    """Tells pictures of a size that a model can make little of, or has not seen.

    >>> from pathlib import Path
    >>> from service.core.bundles.bundle import load_bundle
    >>> sizes = SizeWarnings(load_bundle(Path("examples/models/pitting/1")).manifest)
    >>> sizes.of(565, 230), sizes.of(100, 60)
    ((), ('small_picture',))

    Args:
        manifest: of the model; it may not say which sizes were seen.
    """

    def __init__(self, manifest: Manifest) -> None:
        seen_as = manifest.tiling or manifest.preprocess
        self._least_width = seen_as.width / _SMALL
        self._least_height = seen_as.height / _SMALL
        self._seen = manifest.thresholds.sizes or manifest.fit.sizes

    def of(self, width: int, height: int) -> tuple[WarningCode, ...]:
        """What speaks against a picture of this size, as it is stored, in pixels."""
        seen = self._seen
        found: list[WarningCode] = []
        if width < self._least_width or height < self._least_height:
            found.append("small_picture")
        if seen is not None and not seen.holds(width, height):
            found.append("other_size" if seen.has_shape(width, height) else "other_shape")
        return tuple(found)
