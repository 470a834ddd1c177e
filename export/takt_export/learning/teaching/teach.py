"""A model taught by judged defects: a new version, and what it finds that the one before missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.bundle import CHECKPOINT, Bundle, load_bundle
from takt.core.bundles.conformal import choose_alpha
from takt.core.bundles.taught import TaughtRecord
from takt.core.bundles.thresholds import in_force, read_overrides
from takt_export.calibration.by_heart import digests_taught, judgements_of
from takt_export.calibration.known_parts import former_part_ids
from takt_export.errors import LearnError
from takt_export.learning.family import learning_of
from takt_export.learning.learn import (
    OTHERS_S,
    Learned,
    LearnOptions,
    exported,
    fit_folder,
    told_of_full_disk,
)
from takt_export.learning.place import Place
from takt_export.learning.stages import Stages
from takt_export.learning.teaching.carried import carry_over, kept_good_pictures
from takt_export.learning.teaching.judged_pictures import (
    JudgedPictures,
    judged_pictures,
    tell_of_strange,
)
from takt_export.learning.teaching.request import TaughtModel, Teach, TeachRequest
from takt_export.learning.teaching.taught_version import TaughtVersion
from takt_export.learning.teaching.verdicts import HeadGain, Verdicts
from takt_export.learning.update import base_of
from takt_models.checkpoints.errors import printable
from takt_models.checkpoints.facts import Checkpoint
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.checkpoints.picture_digest import picture_digest
from takt_models.fit.device import Compute


def teach(
    folder: Path, place: Place, options: LearnOptions, compute: Compute, stages: Stages
) -> TaughtVersion:
    """Teaches a model's active version by judged pictures; makes the next version.

    If none is active, as each waits for an activation, it goes on from the highest one. Whatever a
    version was taught before is forgotten: all that is to count is in the folder.

    Args:
        folder: judged pictures, as `takt.core.judged` describes them, and `passed` besides.
        place: where the version goes; its model has a version.
        options: of the whole way; the family is that of the active version.
        compute: device and precision.
        stages: the bar.

    Raises:
        BundleError: the active version is damaged.
        CalibrationError: the version keeps too few good parts for alpha.
        ConfigurationError: the folder cannot be understood.
        LearnError: the active version cannot be taught, there is no defect, or a head does not
            pay, and there is none that would have to go.
        PicturesError: a picture cannot be read.
        SelfTestError: something speaks against the model, and the options are strict.
    """
    stages.plan({"look": 1, "fit": 5, **OTHERS_S})
    stages.begin("look")
    base = load_bundle(base_of(place))
    former, teaching = _teachable(base)
    judged = judged_pictures(folder, stages)
    tell_of_strange(judged, place.model, former.sizes, stages.tell)
    # Both versions know by heart what they were learned from.
    others = judged.unlearned(former.seen)
    defects = [one.path for one in judged.defects]
    part = options.grouping.groups_of(defects).number
    unseen = _unseen_before(base, former, judged, part)
    assert former.out_of_fold is not None and former.good_cells is not None
    wanted = options.alpha or base.manifest.thresholds.alpha
    alpha = choose_alpha(wanted, len(former.out_of_fold.pictures)).value
    with fit_folder(place) as scratch, told_of_full_disk(place.repository):
        checkpoint = scratch / "fit.safetensors"
        stages.begin("fit")
        taught = teaching(
            TeachRequest(
                former,
                judged.defects,
                part,
                others.others,
                in_force(base, read_overrides(base.path, base.repository)),
                alpha,
                checkpoint,
                options.seed,
                compute,
            ),
            stages,
        )
        left_out = why_left_out(taught, kinds_of(judged))
        if left_out is not None and former.good_cells.head is None:
            raise LearnError(f"{left_out}. {_stays(base, taught)}")
        kept = replace(options, family=base.manifest.family, alpha=alpha).export(checkpoint)
        kept = replace(
            kept,
            origin=(checkpoint, base.path / CHECKPOINT),
            former_parts=former_part_ids(base, former),
            former=base,
            stand_ins=kept_good_pictures(base, former.sizes, scratch),
        )
        if left_out is None:
            kept = replace(
                kept,
                taught=_record(base, judged, taught, unseen),
                judgements=b"".join(one.judged.line() for one in (*judged.defects, *judged.good)),
            )
        bundle = exported(place, kept, judged.others, defects, stages)
        carry_over(base, bundle, stages.tell)
    if left_out is not None:
        stages.tell(
            f"warning: {left_out}. So version {bundle.manifest.version} is the bank alone, and "
            "what was taught before is forgotten"
        )
    return TaughtVersion(Learned(bundle, judged), others, base.manifest.version, taught, unseen)


def kinds_of(judged: JudgedPictures) -> tuple[str, ...]:
    """The kind of each judged defect, empty of one without a kind."""
    return tuple(one.judged.kind or "" for one in judged.defects)


def why_left_out(taught: TaughtModel, kinds: Sequence[str]) -> str | None:
    """Why there is no head and what is missing, in words; None if there is one.

    Args:
        taught: what came of it.
        kinds: the kind of each judged defect.
    """
    together = taught.left_out
    if together is None:
        return None
    alone, count = taught.by_bank.before, len(together.score)
    if alone.found == count:
        return (
            f"the bank alone finds all {count} judged defects at its own threshold: a head has "
            "nothing to find, and would cost some of what the bank finds"
        )
    gain = HeadGain.of(together, alone)
    return (
        f"of {count} judged defects, bank and head together find {gain.won} that the bank alone "
        f"misses, each by what has not seen it, and miss {gain.lost} that it finds: that is no "
        f"more than chance may make. {_missing(gain, together, alone, kinds)}"
    )


def _missing(gain: HeadGain, together: Verdicts, alone: Verdicts, kinds: Sequence[str]) -> str:
    """What would let a head pay, in words."""
    named = np.array(kinds)
    by_kind = {
        kind: HeadGain.of(together.some(named == kind), alone.some(named == kind))
        for kind in sorted({*kinds})
    }
    best = max(by_kind, key=lambda kind: by_kind[kind].net / by_kind[kind].count)
    more = gain.further(by_kind[best])
    if more is None:
        return (
            "No kind of them is found by a head that has not seen it: further defects help if "
            "they look like one another"
        )
    which = f"more of kind {printable(best)}" if best else "more defects"
    return f"About {more} {which} would show that it pays, if they are found as these are"


def _teachable(base: Bundle) -> tuple[Checkpoint, Teach]:
    name = f"version {base.manifest.version} of {base.manifest.name}"
    again = "learn the model anew from its good pictures, and teach that version"
    learning = learning_of(base.manifest.family)
    teaching = None if learning is None else learning.teach
    if teaching is None:
        raise LearnError(f"{name} is a {base.manifest.family}, which cannot be taught: {again}")
    if CHECKPOINT not in base.manifest.files:
        raise LearnError(f"{name} keeps no bank that a head can be put beside: {again}")
    found = load_checkpoint((base.path / CHECKPOINT,))
    if found.good_cells is None or found.out_of_fold is None:
        raise LearnError(f"{name} keeps no features of its good parts: {again}")
    return found, teaching


def _stays(base: Bundle, taught: TaughtModel) -> str:
    """That there is no new version, and what helps."""
    name, in_force = f"version {base.manifest.version}", taught.defects.before.found
    if in_force < taught.by_bank.before.found:
        limit = taught.thresholds.image
        return (
            f"No version was made. By the threshold in force {name} finds only {in_force} of them: "
            f"lower it (`PUT …/threshold`; the bank's own is {limit:.6g})"
        )
    return (
        f"No version was made, and {name} stays as it is. Judge further defects that it misses, "
        "with a box around each"
    )


def _unseen_before(
    base: Bundle, former: Checkpoint, judged: JudgedPictures, part: Sequence[int]
) -> NDArray[np.bool_] | None:
    """Which judged defects show parts that a version was not taught with; None if it is not known.

    Args:
        base: the version.
        former: its checkpoint.
        judged: pictures to teach with.
        part: number of the part that each defect shows.
    """
    lines = judgements_of(base)
    assert former.good_cells is not None
    if not lines and former.good_cells.head is not None:
        return None
    taught = digests_taught(lines)
    known = np.array([picture_digest(one.path) in taught for one in judged.defects])
    return ~np.isin(part, np.asarray(part)[known])


def _record(
    base: Bundle, judged: JudgedPictures, taught: TaughtModel, unseen: NDArray[np.bool_] | None
) -> TaughtRecord:
    defects = taught.defects.compared(unseen)
    return TaughtRecord(
        base=base.manifest.version,
        defects=len(judged.defects),
        good=len(judged.good),
        kinds=judged.kinds,
        compared=len(defects.before.score),
        found_before=defects.before.found,
        found=taught.defects.after.found,
        bank_found_before=taught.by_bank.before.found,
        bank_found=taught.by_bank.after.found,
    )
