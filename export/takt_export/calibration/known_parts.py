"""The ids of the parts that calibrate: by them the views of one part are told to be one part's.

They are what `--group` names, one for all pictures of a part. Near-copies that are found by their
looks have no id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.bundle import Bundle
from takt_export.calibration.grouping import Grouping
from takt_export.calibration.pictures_to_use import CalibrationPictures
from takt_models.checkpoints.facts import Checkpoint
from takt_models.checkpoints.picture_digest import picture_digest


def part_ids(pictures: CalibrationPictures, grouping: Grouping) -> NDArray[np.str_]:
    """The id of the part of each unseen picture that counts, in their order; [0] without any.

    Raises:
        PicturesError: as `Grouping.ids_of` does.
    """
    of_pictures = grouping.ids_of(pictures.unseen)
    return _kept([of_pictures[picture] for picture in pictures.unseen_parts.first])


def part_ids_of_fit(
    digests: Sequence[str],
    pictures: CalibrationPictures,
    grouping: Grouping,
    former: Mapping[str, str],
) -> NDArray[np.str_]:
    """The id of the part of each picture that a fit has scored without it; [0] without any.

    Args:
        digests: of the pictures.
        pictures: those that are there, among which are those of the digests.
        grouping: names their parts.
        former: ids of parts that were known before, by such digests.

    Raises:
        PicturesError: as `Grouping.ids_of` does.
    """
    named = zip(pictures.unseen, grouping.ids_of(pictures.unseen), strict=True)
    known = {**former, **{picture_digest(path): part for path, part in named if part}}
    return _kept([known.get(digest, "") for digest in digests])


def former_part_ids(version: Bundle, former: Checkpoint) -> dict[str, str]:
    """The ids of the parts that a version's fit has scored, by a digest of each.

    There are none where something else has calibrated the version since.
    """
    ids, scored = version.calibration.parts, former.out_of_fold
    if scored is None or not version.manifest.thresholds.of_fit or len(ids) != len(scored.pictures):
        return {}
    digests = (former.seen[picture] for picture in scored.pictures)
    return {digest: part for digest, part in zip(digests, ids.tolist(), strict=True) if part}


def tell_of_ids(ids: NDArray[np.str_], tell: Callable[[str], None]) -> None:
    """Tells how many parts a calibration knows by their ids, if it knows any."""
    if not len(ids):
        return
    known = np.unique(ids[ids != ""])
    tell(
        f"parts known by ids: {len(known)}, such as {str(known[0])!r}; views of a recipe that "
        "share enough of them are judged together"
    )


def _kept(ids: Sequence[str]) -> NDArray[np.str_]:
    return np.array(ids, np.str_) if any(ids) else np.zeros(0, "U1")
