"""The choice of pictures that calibrate a bundle, and of those that are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from takt.core.bundles.manifest import Promise
from takt.core.errors import CalibrationError
from takt_export.calibration.grouping import EACH_ITS_OWN, Grouped, Grouping
from takt_export.calibration.lots import NO_LOTS, Lots, lots_of
from takt_export.calibration.parts import Parts
from takt_export.errors import PicturesError
from takt_export.pictures import check_pictures
from takt_models.checkpoints.picture_digest import picture_digest

SEEN_UNKNOWN = (
    "nothing says which pictures the training has seen: thresholds and percentiles hold if it has "
    "seen none of those that they rest on, and are else too low; --fitted-on names what it has seen"
)
LEFT_OUT_AS_COPIES = "left out as copies of other pictures"
COUNTED_ONCE = "each of which counts once, by its highest score"


@dataclass(frozen=True)
class CalibrationPictures:
    """Good pictures, parted by whether the training has seen them.

    Attributes:
        unseen: pictures that may calibrate; at least one, unless the fit has scored others.
        seen: pictures that only serve for comparisons and ranges.
        copies: number of files that were left out as copies of other pictures.
        parts: what counts once of the unseen pictures; each counts if None.
        repeated: number of pictures that were found to repeat others, nearly, and do not count.
        groups: number of parts that the unseen pictures show, where several of one part count.
        lots: of the unseen pictures, where the training has seen none of these lots; or of those
            that a fit has learned.
    """

    unseen: tuple[Path, ...]
    seen: tuple[Path, ...]
    copies: int = 0
    parts: Parts | None = None
    repeated: int = 0
    groups: int | None = None
    lots: Lots = NO_LOTS

    @property
    def promise(self) -> Promise:
        """What a conformal threshold of the unseen pictures promises.

        The proof is about pictures that come in no order that matters; several of one part do not.
        """
        return "proven" if self.groups is None else "measured"

    @property
    def unseen_parts(self) -> Parts:
        """The parts that the unseen pictures show."""
        return self.parts or Parts.single(len(self.unseen))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a threshold rests on, if that is not each unseen picture by itself."""
        if self.groups is not None:
            return (
                f"{len(self.unseen)} good pictures show {self.groups} parts; each picture counts",
            )
        count = self.unseen_parts.count
        if count == len(self.unseen):
            return ()
        guess = "; near-copies are taken for one part unless the option group says otherwise"
        return (
            f"{len(self.unseen)} good pictures show {count} parts, {COUNTED_ONCE}"
            + (guess if self.repeated else ""),
        )


def choose_pictures(
    good: Sequence[Path],
    defects: Sequence[Path],
    seen: Sequence[str],
    tell: Callable[[str], None],
    out_of_fold: Sequence[str] = (),
    grouping: Grouping = EACH_ITS_OWN,
) -> CalibrationPictures:
    """Check all pictures before long work, leave copies out, and part the good ones.

    Args:
        good: pictures of good parts.
        defects: pictures of defective parts.
        seen: digests of the pictures that the training has seen; empty if unknown.
        tell: takes lines about what is left out.
        out_of_fold: digests of pictures that have scores by the model without them; if there are
            any, they give the thresholds, and all good pictures only serve for comparisons.
        grouping: tells which pictures show one part. Pictures of a part that the training has seen
            are left out too.

    Raises:
        CalibrationError: the training has seen all good pictures.
        PicturesError: a file cannot be read or is no picture, or a picture is good and defective.
    """
    digests = distinct(good, tell)
    refuse_in_both(digests, defects)
    check_pictures([*digests, *defects])
    if not out_of_fold:
        grouped = grouping.grouped([*digests])
        parted = leave_out_seen(digests, seen, tell)
        parted = replace(parted, copies=len(good) - len(digests))
        return _of_further_parts(parted, [*digests], grouped, grouping, tell)
    others = len({*out_of_fold} - {*digests.values()})
    tell(
        f"calibrating on the fit's own scores of {len(out_of_fold)} parts"
        + (
            f", {others} of which are not among the given pictures and count as well"
            if others
            else ""
        )
    )
    scored, fitted = frozenset(out_of_fold), frozenset(seen)
    # What the fit has not seen, such as pictures that were judged since, changes no threshold.
    learned = [path for path, digest in digests.items() if digest in fitted]
    copies = len(good) - len(digests)
    repeats = len(learned) - grouping.groups_of(learned).count if grouping.is_guess else 0
    if copies:
        copies = sum(picture_digest(path) in fitted for path in good) - len(learned)
    return CalibrationPictures(
        unseen=tuple(path for path, digest in digests.items() if digest in scored),
        seen=tuple(path for path, digest in digests.items() if digest not in scored),
        copies=copies,
        repeated=repeats,
        lots=lots_of(learned, grouping.lot),
    )


def _of_further_parts(
    pictures: CalibrationPictures,
    good: Sequence[Path],
    grouped: Grouped,
    grouping: Grouping,
    tell: Callable[[str], None],
) -> CalibrationPictures:
    """The pictures without unseen ones of parts that the training has seen, and how they count.

    Args:
        pictures: parted by whether the training has seen them.
        good: all of them, in the order of `grouped`.
        grouped: what they have in common.
        grouping: that has told it.
        tell: takes a line about what is left out.

    Raises:
        CalibrationError: nothing is left.
    """
    at = {path: number for number, path in enumerate(good)}
    group = grouped.groups.number
    seen = {group[at[path]] for path in pictures.seen}
    unseen = tuple(path for path in pictures.unseen if group[at[path]] not in seen)
    left_out = len(pictures.unseen) - len(unseen)
    if not unseen:
        raise CalibrationError(
            f"all {left_out} good pictures that the training has not seen show parts of which it "
            "has seen others; thresholds need pictures of further parts (--group tells which "
            "pictures show one part, --group none that no two do)"
        )
    if left_out:
        tell(
            f"warning: {left_out} pictures are left out, as the training has seen others of the "
            "same parts"
        )
    those = grouped.chosen([at[path] for path in unseen])
    known = {grouped.lots.of[at[path]] for path in pictures.seen} if grouped.lots.count else set()
    of_seen_lots = not known.isdisjoint(those.lots.of)
    return replace(
        pictures,
        unseen=unseen,
        parts=those.parts,
        repeated=len(pictures.unseen) - those.parts.count if grouping.is_guess else 0,
        groups=those.groups.count if those.groups.count < those.parts.count else None,
        lots=NO_LOTS if of_seen_lots else those.lots,
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
        tell(f"{LEFT_OUT_AS_COPIES}: {count - len(found)}")
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
        seen: digests of the pictures that the training has seen; empty if unknown.
        tell: takes lines about it.

    Raises:
        CalibrationError: it has seen all of them.
    """
    known = frozenset(seen)
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
