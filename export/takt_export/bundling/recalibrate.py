"""Thresholds anew for a bundle that is there: measure, weigh, and put them into its manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from takt.core.bundles.bundle import Bundle, Calibration
from takt.core.bundles.conformal import Alpha, calibrate, choose_alpha
from takt.core.bundles.findings import SelfTest
from takt.core.bundles.manifest import Thresholds
from takt.core.bundles.signing.provenance import PictureSet
from takt.core.bundles.thresholds import (
    DeployedThresholds,
    ThresholdPair,
    in_force,
    keep_switch,
    read_overrides,
)
from takt.core.bundles.tradeoff import Costs
from takt.core.bundles.writing import replace_calibration
from takt.core.engines.golden import check_golden
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.errors import BundleError, CalibrationError
from takt.core.pictures.good_facts import LEAST, knows_good_facts
from takt.core.pictures.roi import roi_on_map
from takt_export.bundling.measure import measure_calibration
from takt_export.bundling.provenance import picture_set
from takt_export.bundling.tested import subject_of, tested
from takt_export.calibration.bearing import with_borne
from takt_export.calibration.by_heart import digests_taught, judgements_of, known_defects
from takt_export.calibration.camera_files import tell_of_files
from takt_export.calibration.good_facts import good_facts, undecided_by_default
from takt_export.calibration.grouping import BY_LOOKS, Grouping
from takt_export.calibration.known_parts import part_ids, tell_of_ids
from takt_export.calibration.pictures_to_use import (
    SEEN_UNKNOWN,
    CalibrationPictures,
    choose_pictures,
    distinct,
)
from takt_export.calibration.rules import METHODS, Rule, RuleThresholds, candidates
from takt_export.pictures import range_of_sizes
from takt_models.checkpoints.picture_digest import picture_digest

Tell = Callable[[str], None]

_TOO_FEW = (
    f"with fewer than {LEAST} good parts that the fit has not seen it is not known what is usual"
)


@dataclass(frozen=True)
class RecalibrationOptions:
    """Options of a calibration.

    Attributes:
        alpha: share of good pictures that may be refused; `choose_alpha` chooses one if None.
        rule: whose thresholds are to be deployed.
        costs: of mistakes on the line; None leaves the rule `cost` out.
        threads: of ONNX Runtime; 0 takes every core.
        strict: refuse if anything speaks against the model at the chosen thresholds.
        grouping: tells which good pictures show one part and count once.
        undecided: whether a picture that cannot be judged is undecided; None leaves it as it is.
    """

    alpha: float | None = None
    rule: Rule = "conformal"
    costs: Costs | None = None
    threads: int = 0
    strict: bool = False
    grouping: Grouping = BY_LOOKS
    undecided: bool | None = None


@dataclass(frozen=True)
class Recalibration:
    """New thresholds, before anything is written.

    Attributes:
        bundle: as it is.
        alpha: of the conformal thresholds.
        costs: of mistakes on the line, if they are known.
        candidates: the thresholds in force until now, then each rule's.
        chosen: the candidate to deploy.
        thresholds: the chosen ones as the manifest will hold them.
        calibration: the scores behind it.
        map_low: the median of the maps of good pictures.
        self_test: what speaks against the model at the chosen thresholds.
        pictures: the good pictures that were given.
        undecided: whether a picture that cannot be judged is undecided; None leaves it as it is.
    """

    bundle: Bundle
    alpha: Alpha
    costs: Costs | None
    candidates: tuple[RuleThresholds, ...]
    chosen: RuleThresholds
    thresholds: Thresholds
    calibration: Calibration
    map_low: float
    self_test: SelfTest
    pictures: PictureSet
    undecided: bool | None


def find_thresholds(
    bundle: Bundle,
    good: Sequence[Path],
    defects: Sequence[Path],
    fitted_on: Sequence[Path],
    options: RecalibrationOptions,
    *,
    tell: Tell,
    quiet: bool = False,
) -> Recalibration:
    """Measure pictures with a bundle's own graph and find thresholds by each rule.

    Args:
        bundle: as it was loaded.
        good: pictures of good parts; those that the training has seen are left out.
        defects: pictures of defective parts; without any, the rules that need them are left out.
        fitted_on: pictures that the training has seen, besides those that the bundle knows of.
        options: a rule that needs defects or costs must have them.
        tell: takes lines about what is going on.
        quiet: show no progress bar.

    Raises:
        BundleError: thresholds that were set beside the bundle cannot be understood.
        CalibrationError: too few unseen good pictures for alpha.
        DriftError: this host's engine answers unlike the trained model.
        PicturesError: a picture cannot be read, or is good and defective.
        SelfTestError: something speaks against the model, and the options are strict.
    """
    until_now = in_force(bundle, read_overrides(bundle.path, bundle.repository))
    known = (*bundle.calibration.seen.tolist(), *map(picture_digest, fitted_on))
    seen = tuple(dict.fromkeys(known))
    taught = digests_taught(judgements_of(bundle))
    bad = known_defects([*distinct(defects, tell)], taught, tell)
    if defects and not bad:
        raise CalibrationError(
            f"the version was taught with all {len(defects)} given defects, which are no evidence "
            "of what it finds: give others, or leave --defects out"
        )
    pictures = choose_pictures(good, bad, seen, tell, grouping=options.grouping)
    parts = part_ids(pictures, options.grouping)
    tell_of_ids(parts, tell)
    tell_of_files([*pictures.unseen, *bad], bundle.manifest.preprocess, tell)
    alpha = choose_alpha(options.alpha, pictures.unseen_parts.count)

    with closing(OnnxRuntimeEngine.open(bundle.model_path, threads=options.threads)) as engine:
        check_golden(engine, bundle)
        manifest, inside = bundle.manifest, roi_on_map(bundle)
        of_good, of_bad = measure_calibration(
            engine, pictures.unseen, bad, manifest, inside, tell=tell, quiet=quiet
        )
        of_parts = of_good.of_parts(pictures.unseen_parts)
        weighed = candidates(until_now, of_parts, of_bad, alpha, options.costs)
        chosen = next(one for one in weighed if one.rule == options.rule)
        subject = subject_of(
            engine,
            manifest,
            inside,
            ThresholdPair(chosen.image, chosen.pixel),
            alpha.value if chosen.rule == "conformal" else None,
            of_good,
            of_bad,
            pictures,
            at=partial(calibrate, of_parts.score, of_parts.peak),
        )
        self_test = tested(subject, pictures, strict=options.strict, quiet=quiet)
    facts = good_facts(
        pictures.unseen,
        pictures.unseen_parts,
        manifest,
        of_good.level,
        of_good.score,
        quiet=quiet,
    )
    if facts is not None:
        facts = with_borne(facts, self_test.bears, pictures.unseen, manifest)
    if options.undecided and facts is None:
        raise CalibrationError(f"--undecided: {_TOO_FEW}")
    calibration = Calibration(
        of_parts.score,
        of_parts.peak,
        of_bad.score,
        of_bad.peak,
        np.array(seen, np.str_),
        parts=parts,
    )
    return Recalibration(
        bundle=bundle,
        alpha=alpha,
        costs=options.costs,
        candidates=weighed,
        chosen=chosen,
        thresholds=_thresholds(
            chosen,
            alpha,
            options.costs,
            pictures,
            seen_known=bool(seen),
            undecided=undecided_by_default(facts),
        ),
        calibration=calibration if facts is None else facts.put_into(calibration),
        map_low=of_good.map_median,
        self_test=self_test,
        pictures=picture_set(good),
        undecided=options.undecided,
    )


def check_writable(bundle: Bundle) -> None:
    """Refuse a bundle that cannot be changed, before any work.

    Raises:
        BundleError: its folder cannot be written to.
    """
    if not os.access(bundle.path, os.W_OK):
        raise BundleError(
            f"{bundle.path} cannot be written to; calibrate as a user who may, or a copy of it, or "
            "look only, with --dry-run"
        )


def deploy(found: Recalibration, tell: Tell) -> Bundle:
    """Put the chosen thresholds into the bundle, and remove thresholds that override them.

    Raises:
        OSError: the folder cannot be written to; the bundle stays as it was.
    """
    bundle = replace_calibration(
        found.bundle,
        found.calibration,
        found.thresholds,
        found.map_low,
        found.self_test,
        found.pictures,
    )
    # Last, so that a calibration that fails has changed nothing at all.
    overrides = read_overrides(bundle.path, bundle.repository)
    if keep_switch(bundle.path, overrides):
        tell("thresholds that were set on a running server are removed: the bundle's own count")
    if found.undecided is not None:
        DeployedThresholds(bundle, overrides.without_thresholds()).change(
            image=None, pixel=None, undecided=found.undecided, reason="takt calibrate"
        )
    elif in_force(bundle, overrides).undecided and not knows_good_facts(found.calibration):
        tell(f"warning: every picture is judged from now on: {_TOO_FEW}")
    return bundle


def _thresholds(
    chosen: RuleThresholds,
    alpha: Alpha,
    costs: Costs | None,
    pictures: CalibrationPictures,
    *,
    seen_known: bool,
    undecided: bool,
) -> Thresholds:
    """The chosen thresholds as a manifest holds them."""
    assert chosen.rule is not None
    notes = [*([] if seen_known else [SEEN_UNKNOWN]), *pictures.notes]
    if chosen.rule == "conformal":
        notes += alpha.notes
    elif chosen.rule == "cost":
        assert costs is not None
        notes.append(
            f"a miss costs {costs.miss:g}, a false reject {costs.reject:g}, at a prevalence of "
            f"{costs.prevalence:g}"
        )
    conformal = chosen.rule == "conformal"
    return Thresholds(
        image=chosen.image,
        pixel=chosen.pixel,
        method=METHODS[chosen.rule],
        alpha=alpha.value if conformal else None,
        good_count=chosen.of_both.good,
        defect_count=0 if conformal else chosen.of_both.defective,
        found_at=datetime.now(UTC).isoformat(timespec="seconds"),
        sizes=range_of_sizes([*pictures.unseen, *pictures.seen]),
        undecided=undecided,
        notes=tuple(notes),
    )
