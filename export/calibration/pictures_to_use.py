"""The choice of pictures that calibrate a bundle, and of those that are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from export.errors import CalibrationError, PicturesError
from export.pictures import check_pictures
from models.checkpoints.own import picture_digest

SEEN_UNKNOWN = (
    "nothing says which pictures the training has seen: thresholds and percentiles hold if it has "
    "seen none of those that they rest on"
)


@dataclass(frozen=True)
class CalibrationPictures:
    """Good pictures, parted by whether the training has seen them.

    Attributes:
        unseen: pictures that may calibrate; at least one, unless the fit has scored others.
        seen: pictures that only serve for comparisons and ranges.
        copies: number of files that were left out as copies of other pictures.
    """

    unseen: tuple[Path, ...]
    seen: tuple[Path, ...]
    copies: int = 0


def choose_pictures(
    good: Sequence[Path],
    defects: Sequence[Path],
    seen: Sequence[str],
    tell: Callable[[str], None],
    out_of_fold: Sequence[str] = (),
) -> CalibrationPictures:
    """Check all pictures before long work, leave copies out, and part the good ones.

    Args:
        good: pictures of good parts.
        defects: pictures of defective parts.
        seen: digests of the pictures that the training has seen; empty if unknown.
        tell: takes lines about what is left out.
        out_of_fold: digests of pictures that have scores by the model without them; if there are
            any, they give the thresholds, and all good pictures only serve for comparisons.

    Raises:
        CalibrationError: the training has seen all good pictures.
        PicturesError: a file cannot be read or is no picture, or a picture is good and defective.
    """
    digests = distinct(good, tell)
    refuse_in_both(digests, defects)
    check_pictures([*digests, *defects])
    copies = len(good) - len(digests)
    if not out_of_fold:
        return replace(leave_out_seen(digests, seen, tell), copies=copies)
    tell(
        f"calibrating on the fit's own scores of {len(out_of_fold)} pictures, each by a model that "
        "has not seen it"
    )
    scored = frozenset(out_of_fold)
    return CalibrationPictures(
        unseen=tuple(path for path, digest in digests.items() if digest in scored),
        seen=tuple(path for path, digest in digests.items() if digest not in scored),
        copies=copies,
    )


def distinct(paths: Iterable[Path], tell: Callable[[str], None]) -> dict[Path, str]:
    """The first file of each content with its digest, in order; tells the number of copies.

    A copy says nothing new, and a threshold must not count it.

    Raises:
        PicturesError: a file cannot be read.
    """
    found: dict[str, Path] = {}
    count = 0
    for path in paths:
        count += 1
        try:
            found.setdefault(picture_digest(path), path)
        except OSError as error:
            raise PicturesError(f"{path}: {error.strerror}") from error
    if count > len(found):
        tell(f"left out as copies of other pictures: {count - len(found)}")
    return {path: digest for digest, path in found.items()}


def refuse_in_both(good: Mapping[Path, str], defects: Sequence[Path]) -> None:
    """Refuse pictures that are given as good and as defective.

    Args:
        good: each good picture with its digest.
        defects: the defective pictures.

    Raises:
        PicturesError: one is both; says which.
    """
    known = frozenset(good.values())
    for path in defects:
        if picture_digest(path) in known:
            raise PicturesError(
                f"{path} is among the good pictures too; give --good and --defects folders that "
                "share no picture"
            )


def leave_out_seen(
    good: Mapping[Path, str], seen: Sequence[str], tell: Callable[[str], None]
) -> CalibrationPictures:
    """Part the good pictures by whether the training has seen them.

    >>> leave_out_seen({Path("a.png"): "1", Path("b.png"): "2"}, ["2"], print).unseen[0].name
    calibrating on 1 pictures the training never saw; 1 seen ones left out
    'a.png'

    Args:
        good: each good picture with its digest.
        seen: digests of the pictures that the training has seen; empty if unknown, with a warning.
        tell: takes lines about it.

    Raises:
        CalibrationError: it has seen all of them.
    """
    known = frozenset(seen)
    if not known:
        tell(
            "warning: nothing says which pictures the training has seen; a threshold or percentile "
            "from pictures that it has seen is too low: name them with --fitted-on, or give "
            "others as --good"
        )
    parted = CalibrationPictures(
        unseen=tuple(path for path, digest in good.items() if digest not in known),
        seen=tuple(path for path, digest in good.items() if digest in known),
    )
    if not parted.unseen:
        raise CalibrationError(
            f"the training has seen all {len(parted.seen)} good pictures; thresholds need others, "
            "so give --good a folder that has more"
        )
    if known:
        tell(
            f"calibrating on {len(parted.unseen)} pictures the training never saw; "
            f"{len(parted.seen)} seen ones left out"
        )
    return parted


def sample_evenly(first: Sequence[Path], then: Sequence[Path], count: int) -> list[Path]:
    """At most `count` pictures, evenly from the first ones, filled up from the others."""
    if len(first) < count:
        return [*first, *then][:count]
    return [first[i * len(first) // count] for i in range(count)]
