"""What a taught version takes over from the one before, and what is said where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.files import write_atomically
from takt.core.bundles.manifest import Manifest
from takt.core.bundles.thresholds import OVERRIDES, Overrides, read_overrides
from takt.core.bundles.witnesses import anomalous
from takt.core.pictures.good_facts import knows_good_facts
from takt_models.checkpoints.facts import SizeRange


def kept_good_pictures(base: Bundle, sizes: SizeRange | None, folder: Path) -> tuple[Path, ...]:
    """The pictures of good parts that a version keeps, as files; none where it keeps no such ones.

    They are its golden inputs, at the size of the pictures that it was learned from.

    Args:
        base: the version.
        sizes: of those pictures.
        folder: takes the files; exists.
    """
    manifest, golden = base.manifest, base.golden
    spec, origin = manifest.preprocess, manifest.provenance
    is_whole = spec.input == "uint8" and spec.crop is None and manifest.tiling is None
    if not is_whole or origin is None:
        return ()
    # The export puts a defect last, if it was given any.
    count = len(golden.score) - (origin.defects is not None)
    above = anomalous(manifest.thresholds, golden.score, golden.anomaly_map.max(axis=(1, 2)))
    paths = []
    for number, picture in enumerate(golden.images[:count]):
        if above[number]:
            continue
        height, width, _ = picture.shape
        if sizes is not None:
            width, height = sizes.most_width, sizes.most_height
        path = folder / f"{number}.png"
        # Nearest, as the way back averages areas.
        larger = cv2.resize(picture, (width, height), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(path), cv2.cvtColor(larger, cv2.COLOR_RGB2BGR))
        paths.append(path)
    return tuple(paths)


def carry_over(base: Bundle, new: Bundle, tell: Callable[[str], None]) -> None:
    """Gives a taught version what was switched in the one before, and tells what it lacks.

    Args:
        base: the version that was taught.
        new: the new one, whose good pictures are the same.
        tell: takes a line for each thing that is lost.

    Raises:
        BundleError: what was set in the version cannot be understood.
        OSError: the new version's folder cannot be written to.
    """
    switch = read_overrides(base.path, base.repository).undecided
    if switch is not None and (not switch.value or knows_good_facts(new.calibration)):
        write_atomically(new.path / OVERRIDES, Overrides(undecided=switch).json_bytes())
    before, after = base.manifest, new.manifest
    if count := len(base.calibration.defect_score):
        tell(
            f"warning: the {count} known defects of version {before.version} do not count for "
            f"version {after.version}, as nobody keeps their pictures: `takt eval` tells how many "
            "of them it finds"
        )
    if before.variants:
        names = ", ".join(one.name for one in before.variants)
        tell(
            f"warning: the variants of version {before.version} ({names}) are of its graph, and "
            f"version {after.version} has none: `takt export` adds them"
        )
    if _is_tested(before) and not _is_tested(after):
        tell(
            f"warning: the self-test of version {before.version} could not be made anew: there is "
            "no picture of a good part to make defects up on. Put some into the folder `good` or "
            "`passed` beside the defects, and teach again"
        )


def _is_tested(manifest: Manifest) -> bool:
    """Whether a version was tried on made-up defects."""
    return manifest.self_test is not None and manifest.self_test.sizes != ()
