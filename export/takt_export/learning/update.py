"""Further good pictures for a model that is there: a new version, compared with the one before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.bundle import CHECKPOINT, Bundle, load_bundle
from takt.core.bundles.conformal import choose_alpha, conformal_rank
from takt.core.bundles.manifest import Thresholds
from takt.core.bundles.thresholds import ThresholdPair, in_force, read_overrides
from takt.core.bundles.witnesses import anomalous
from takt.digits import short
from takt_export.calibration.by_heart import judgements_of
from takt_export.calibration.known_parts import former_part_ids
from takt_export.errors import LearnError
from takt_export.learning.family import Extend, ExtendRequest, learning_of
from takt_export.learning.learn import (
    OTHERS_S,
    Learned,
    LearnOptions,
    exported,
    fit_folder,
    told_of_full_disk,
)
from takt_export.learning.look import GoodPictures, look_at_pictures
from takt_export.learning.place import Place
from takt_export.learning.stages import Stages
from takt_export.pictures import list_pictures
from takt_export.wording import share
from takt_models.checkpoints.facts import Checkpoint
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.fit.device import Compute


@dataclass(frozen=True)
class Rejected:
    """Good pictures that a version rejects.

    Attributes:
        version: name of the version.
        threshold: of its score.
        new: number of the new pictures, none of which it has seen.
        former: number of the former pictures, each scored without it; None if no such scores are
            known.
    """

    version: str
    threshold: float
    new: int
    former: int | None


@dataclass(frozen=True)
class Updated:
    """A new version that has further pictures in its bank.

    Attributes:
        learned: the version, and the new pictures.
        before: the version that it goes on from.
        after: the new version.
        new: number of new pictures that both were asked about.
        former: number of former pictures that both were asked about.
    """

    learned: Learned
    before: Rejected
    after: Rejected
    new: int
    former: int

    def lines(self) -> list[str]:
        """The comparison for people, line by line; what is not known is left out.

        The new version's scores of former pictures lack the new vectors, which would lower them.
        """
        return [self._line(self.before, ""), self._line(self.after, "at most ")]

    def _line(self, one: Rejected, bound: str) -> str:
        line = (
            f"version {one.version} at {short(one.threshold)} rejects "
            f"{share(one.new, self.new)} of the new good pictures"
        )
        if one.former is None:
            return line
        return f"{line}, {bound}{share(one.former, self.former)} of the former ones"


def update(
    new: Path,
    defects: Path | None,
    place: Place,
    options: LearnOptions,
    compute: Compute,
    stages: Stages,
) -> Updated:
    """Adds good pictures to the bank of a model's active version; makes the next version.

    If none is active, as each waits for an activation, it goes on from the highest one. A
    false-reject rate that somebody has asked for stays, unless the options have another.

    Args:
        new: folder of good pictures, such as those of another shift.
        defects: folder of defective pictures, for the record.
        place: where the version goes; its model has a version.
        options: of the whole way; the family is that of the active version.
        compute: device and precision.
        stages: the bar.

    Raises:
        BundleError: the active version is damaged.
        CalibrationError: the pictures are too few for alpha.
        FitError: the pictures are too few.
        LearnError: the active version cannot take pictures, or has seen all of these.
        PicturesError: there are no pictures, or one cannot be read.
        SelfTestError: something speaks against the model, and the options are strict.
    """
    stages.plan({"look": 1, "fit": 15, **OTHERS_S})
    stages.begin("look")
    base = load_bundle(base_of(place))
    former, extend = _extensible(base)
    bad = list_pictures(defects) if defects else ()
    pictures = _unseen(look_at_pictures(new, bad, options.grouping, stages), former, stages)
    assert former.out_of_fold is not None
    alpha = options.alpha or asked_alpha(base.manifest.thresholds)
    if alpha is not None:  # before the fit
        conformal_rank(len(former.out_of_fold.pictures) + pictures.parts.count, alpha)
    with fit_folder(place) as folder, told_of_full_disk(place.repository):
        checkpoint = folder / "fit.safetensors"
        stages.begin("fit")
        extended = extend(
            ExtendRequest(former, pictures, checkpoint, options.seed, compute, alpha), stages
        )
        wanted = replace(options, family=base.manifest.family, alpha=alpha).export(checkpoint)
        wanted = replace(
            wanted,
            origin=(checkpoint, base.path / CHECKPOINT),
            former_parts=former_part_ids(base, former),
            former=base,
            # The head goes on, and with it what it was taught with.
            taught=base.manifest.taught,
            judgements=judgements_of(base),
        )
        bundle = exported(place, wanted, pictures.paths, bad, stages)
    return compared(Learned(bundle, pictures), base, extended.before, extended.after)


def asked_alpha(thresholds: Thresholds) -> float | None:
    """The false-reject rate that somebody has asked for; None of one that the pictures gave."""
    alpha, count = thresholds.alpha, thresholds.good_count
    return None if alpha is None or alpha == choose_alpha(None, count).value else alpha


def base_of(place: Place) -> Path:
    """The folder of the version that a new one goes on from: the active one, or the highest.

    Raises:
        LearnError: the model has none.
    """
    if place.base is None:
        raise LearnError(
            f"{place.repository} has no model {place.model}: learn it first, with "
            f"`takt learn GOOD --model {place.model}`"
        )
    return place.repository / place.model / place.base


def _extensible(base: Bundle) -> tuple[Checkpoint, Extend]:
    """The checkpoint in a bundle, of which scores out of fold are known, and what extends it."""
    name = f"version {base.manifest.version} of {base.manifest.name}"
    again = "learn the model anew, from the former pictures and the new ones together"
    if CHECKPOINT not in base.manifest.files:
        raise LearnError(
            f"{name} ({base.manifest.family}) keeps no bank that pictures can be added to: {again}"
        )
    found = load_checkpoint((base.path / CHECKPOINT,))
    learning = learning_of(found.model.family)
    extend = None if learning is None else learning.extend
    if extend is None or found.out_of_fold is None:
        raise LearnError(f"{name} keeps no scores of its former pictures: {again}")
    return found, extend


def _unseen(pictures: GoodPictures, former: Checkpoint, stages: Stages) -> GoodPictures:
    known = frozenset(former.seen)
    unseen = {path: digest for path, digest in pictures.digests.items() if digest not in known}
    if not unseen:
        raise LearnError(
            "the active version has seen all of these pictures: give others, of further good parts"
        )
    if len(unseen) < len(pictures.digests):
        count = len(pictures.digests) - len(unseen)
        pictures_are, them = ("picture is", "it") if count == 1 else ("pictures are", "them")
        stages.tell(
            f"warning: {count} {pictures_are} left out, as the active version has seen {them}"
        )
    chosen = [number for number, path in enumerate(pictures.digests) if path in unseen]
    return replace(pictures, digests=unseen, grouped=pictures.grouped.chosen(chosen))


def compared(
    learned: Learned, base: Bundle, before: NDArray[np.float32], after: NDArray[np.float32]
) -> Updated:
    """Compares a new version with the one that it goes on from, each by the threshold in force.

    A version is asked about former pictures by the scores of its own calibration: each is that of a
    picture that it has not seen. They say nothing where they are of other pictures, as after
    `takt calibrate`.

    Args:
        learned: the new version. Its calibration has the former pictures, then the new ones.
        base: the version that it goes on from.
        before: scores and peaks [2,n] of the new pictures that count, by that version.
        after: the same by the new version without them, [2,n].
    """
    bundle, count = learned.bundle, before.shape[1]
    known, both = _witnesses(base), _witnesses(bundle)
    former = both.shape[1] - count
    are_former = 0 < former == known.shape[1]
    old = in_force(base, read_overrides(base.path, base.repository))
    own = ThresholdPair(bundle.manifest.thresholds.image, bundle.manifest.thresholds.pixel)

    def rejected(
        one: Bundle,
        pair: ThresholdPair,
        of_new: NDArray[np.float32],
        of_former: NDArray[np.float32],
    ) -> Rejected:
        return Rejected(
            one.manifest.version,
            pair.image,
            int(anomalous(pair, *of_new).sum()),
            int(anomalous(pair, *of_former).sum()) if are_former else None,
        )

    return Updated(
        learned,
        rejected(base, old, before, known),
        rejected(bundle, own, after, both[:, :former]),
        new=count,
        former=former if are_former else 0,
    )


def _witnesses(version: Bundle) -> NDArray[np.float32]:
    """Scores and peaks [2,n] of the good pictures that a version was calibrated with."""
    return np.stack([version.calibration.good_score, version.calibration.good_peak])
