"""From a trained model to a bundle: write the graph, compare, calibrate, keep proofs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from takt.core.bundles.bearing import MovementKind, movement_text
from takt.core.bundles.bundle import CHECKPOINT, MODEL, Bundle, Calibration, Golden
from takt.core.bundles.conformal import Alpha, calibrate, choose_alpha, warning_of_ties
from takt.core.bundles.findings import SelfTest
from takt.core.bundles.manifest import (
    Filter,
    InputType,
    Manifest,
    MapSpec,
    Thresholds,
)
from takt.core.bundles.taught import JUDGEMENTS, TaughtRecord
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.bundles.tiling import Tiling
from takt.core.bundles.witnesses import anomalous
from takt.core.bundles.writing import save_bundle
from takt.core.domain import Batch, Depth, Orientation
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.errors import CalibrationError
from takt.core.pictures.good_facts import GoodFacts
from takt_export.bundling.drift.compare import check_drift, measure_drift
from takt_export.bundling.drift.layers import recorded_layers
from takt_export.bundling.drift.tolerance import rounding_of, tolerance
from takt_export.bundling.input_filter import (
    requested_preprocess,
    with_preprocess,
    with_reading,
    without_other_scores,
)
from takt_export.bundling.measure import PictureScores, measure_calibration
from takt_export.bundling.provenance import provenance
from takt_export.bundling.source import ModelSource, SourceFacts
from takt_export.bundling.summary import ExportReport
from takt_export.bundling.tested import subject_of, tested
from takt_export.bundling.tiles import with_tiling
from takt_export.calibration.bearing import raised_to_bear, with_borne
from takt_export.calibration.by_heart import digests_taught, known_defects
from takt_export.calibration.camera_files import tell_of_files
from takt_export.calibration.cross_conformal import cross_conformal, thresholds_at
from takt_export.calibration.good_facts import (
    facts_taken_over,
    good_facts,
    undecided_by_default,
    with_further,
)
from takt_export.calibration.grouping import BY_LOOKS, Grouping
from takt_export.calibration.known_parts import part_ids, part_ids_of_fit, tell_of_ids
from takt_export.calibration.pictures_to_use import (
    SEEN_UNKNOWN,
    CalibrationPictures,
    choose_pictures,
    sample_evenly,
)
from takt_export.calibration.subject import Subject
from takt_export.calibration.thresholds import conformal_thresholds
from takt_export.out_folder import check_folder
from takt_export.pictures import read_model_input
from takt_export.versions import package_versions
from takt_models.checkpoints.picture_digest import picture_digest

DRIFT_PICTURES = 50
GOLDEN_PICTURES = 3
CHECKPOINT_BYTES = 60 << 20
"""Largest such file; the service reads no more than 64 MiB of a file that is no graph."""


@dataclass(frozen=True)
class ExportOptions:
    """Options of an export.

    Attributes:
        alpha: share of good pictures that may be refused; `choose_alpha` chooses one if None.
        allowed_drift: largest difference of score and map between the trained model and the
            graph, as a part of the largest answer where that is above 1.
        keep_thresholds: take those that the training left, instead of calibrating.
        resize, orientation, depth: instead of the training's; what they change is recorded.
        input_type: elements of the graph's input instead of those of the training's resize; what
            they change is measured and recorded.
        reduced_decode: decode JPEGs at a part of their size; what it changes is recorded too.
        tiling: the tiles in which the model is to see pictures; it sees them whole if None.
        threads: of ONNX Runtime; 0 takes every core.
        strict: write nothing if anything speaks against the model.
        checkpoint: file of the fit to keep in the bundle, from which `takt learn --update` goes
            on; none if None.
        taught: what the model was taught; None if it was not.
        judgements: lines of the judged pictures, for the bundle's file of them.
        sign_key: signs the bundle; it is not signed if None.
        origin: files that the model came from, for the record.
        grouping: tells which good pictures show one part and count once.
        former_parts: ids of parts whose pictures are not given, of which a fit keeps scores, by a
            digest of each.
        former: version whose good pictures these thresholds rest on as well, so that what it knows
            of them holds; None if there is none.
        stand_ins: pictures of good parts to try the model on where none are given.
        movement: how much of it is to be borne, by its kind, for which thresholds rise.
    """

    alpha: float | None = None
    allowed_drift: float = 1e-4
    keep_thresholds: bool = False
    resize: Filter | None = None
    input_type: InputType | None = None
    reduced_decode: bool = False
    tiling: Tiling | None = None
    threads: int = 0
    strict: bool = False
    checkpoint: Path | None = None
    taught: TaughtRecord | None = None
    judgements: bytes = b""
    sign_key: Ed25519PrivateKey | None = None
    origin: tuple[Path, ...] = ()
    grouping: Grouping = BY_LOOKS
    former_parts: Mapping[str, str] = field(default_factory=dict)
    former: Bundle | None = None
    stand_ins: tuple[Path, ...] = ()
    orientation: Orientation | None = None
    depth: Depth | None = None
    movement: Mapping[MovementKind, float] = field(default_factory=dict)


def export_bundle(
    source: ModelSource,
    good: Sequence[Path],
    defects: Sequence[Path],
    out: Path,
    options: ExportOptions,
    *,
    tell: Callable[[str], None],
    stage: Callable[[str], None] = lambda _: None,
    ready: Callable[[], None] = lambda: None,
    quiet: bool = False,
) -> ExportReport:
    """Export a trained model to `<repository>/<name>/<version>`.

    Args:
        source: the model and what is known of it.
        good: pictures of good parts; those that the training has seen are left out.
        defects: pictures of defective parts, for the record; the thresholds do not use them.
        out: the bundle's folder; must not exist.
        options: of the export.
        tell: takes lines about what is going on.
        stage: called as each stage after the graph begins: `thresholds`, `self-test`.
        ready: called once nothing is refused any more, before the bundle is there.
        quiet: show no progress bar.

    Raises:
        BundleError: the folder exists, or its name is none for a model or version.
        CalibrationError: too few unseen good pictures for alpha.
        ExportError: the graph answers unlike the trained model, or cannot have tiles.
        PicturesError: a picture cannot be read.
        SelfTestError: something speaks against the model, and the options are strict.
    """
    out = check_folder(out)
    facts = with_reading(source.facts, options.orientation, options.depth)
    facts = with_tiling(facts, options.tiling)
    preprocess = requested_preprocess(
        facts, options.resize, options.input_type, reduced_decode=options.reduced_decode
    )
    facts = without_other_scores(facts, source.facts.preprocess, preprocess, tell)
    scored = facts.out_of_fold
    chosen = choose_pictures(
        good, defects, facts.seen, tell, scored.digests if scored else (), options.grouping
    )
    if scored and options.checkpoint is None and not options.grouping.is_guess:
        # Else the fit is of this very command, and was told the same.
        tell("warning: these scores count the parts that the fit was told of; give it this --group")
    if not (chosen.unseen or chosen.seen):
        chosen = replace(chosen, seen=options.stand_ins)
    known = known_defects(defects, digests_taught(options.judgements), tell)
    parts = _part_ids(facts, chosen, options)
    tell_of_ids(parts, tell)
    count = len(scored.score) if scored else chosen.unseen_parts.count
    alpha = _alpha(facts, count, options)
    tell_of_files([*chosen.unseen, *chosen.seen, *defects], facts.preprocess, tell)
    compared = sample_evenly([*chosen.unseen, *defects], chosen.seen, DRIFT_PICTURES)

    with tempfile.TemporaryDirectory(prefix="takt-") as folder:
        graph_path = Path(folder) / MODEL
        tell("writing the graph")
        graph = source.write_graph(graph_path, preprocess.input)
        with closing(OnnxRuntimeEngine.open(graph_path, threads=options.threads)) as engine:
            beside = measure_drift(source, facts, preprocess, engine, compared, quiet=quiet)
            as_trained, drift = preprocess == facts.preprocess, beside.drift
            check_drift(beside, options.allowed_drift, as_trained=as_trained)
            facts = with_preprocess(
                source, facts, preprocess, engine, compared, tell=tell, quiet=quiet
            )
            if options.keep_thresholds and facts.preprocess.drift is not None:
                tell(
                    "warning: the training's thresholds are kept, but pictures are decoded or "
                    "resized otherwise, which moves scores against them"
                )
            stage("thresholds")
            # The served model knows the pictures of its fit; its scores of them say nothing.
            measured = () if scored else chosen.unseen
            of_good, of_defects = measure_calibration(
                engine, measured, known, facts, facts.inside, tell=tell, quiet=quiet
            )
            of_parts = of_good if scored else of_good.of_parts(chosen.unseen_parts)
            if scored and (warning := warning_of_ties(scored.score)) is not None:
                tell(warning)
            thresholds = _thresholds(facts, of_parts, alpha, chosen)
            stage("self-test")
            subject = subject_of(
                engine,
                facts,
                facts.inside,
                ThresholdPair(thresholds.image, thresholds.pixel),
                thresholds.alpha,
                of_good,
                of_defects,
                chosen,
                scored,
                partial(thresholds_at, scored)
                if scored
                else partial(calibrate, of_parts.score, of_parts.peak),
            )
            former = None if options.former is None else options.former.manifest.self_test
            test = partial(tested, pictures=chosen, former=former, quiet=quiet)
            if options.movement:
                subject, thresholds = _bearing(subject, thresholds, chosen, options.movement, test)
            self_test = test(subject, strict=options.strict)
        height, width = facts.map_size
        origin = provenance(good, defects, options.origin)
        golden = _golden(source, facts, (*chosen.unseen, *chosen.seen), defects)
        rounding = rounding_of(graph_path, golden) if facts.reference == "onnx" else 0.0
        calibrating = scored or of_parts
        calibration = Calibration(
            calibrating.score,
            calibrating.peak,
            of_defects.score,
            of_defects.peak,
            np.array(facts.seen, np.str_),
            parts=parts,
        )
        usual = _usual(facts, of_good, chosen, options.former, quiet=quiet)
        if usual is not None:
            usual = with_borne(usual, self_test.bears, chosen.unseen, facts)
        thresholds = thresholds.model_copy(update={"undecided": undecided_by_default(usual)})
        fitted_with = {f"fit:{name}": value for name, value in facts.made_with.items()}
        ready()
        bundle = save_bundle(
            out,
            golden,
            calibration if usual is None else usual.put_into(calibration),
            partial(shutil.copyfile, graph_path),
            lambda files: Manifest(
                name=out.parent.name,
                version=out.name,
                family=facts.family,
                variant=facts.variant,
                framework=facts.framework,
                preprocess=facts.preprocess,
                map=MapSpec(width=width, height=height, low=calibrating.map_median),
                score_from=facts.score_from,
                max_batch_size=facts.max_batch_size,
                padded_batch=facts.padded_batch,
                thresholds=thresholds,
                trained_thresholds=facts.trained_thresholds,
                roi=facts.roi.manifest if facts.roi else None,
                tiling=facts.tiling,
                reference=facts.reference,
                notes=facts.notes,
                fit=facts.fit,
                self_test=self_test,
                taught=options.taught,
                drift=drift,
                tolerance=tolerance(golden, drift, rounding, facts.inside),
                provenance=origin,
                made_with=package_versions() | fitted_with,
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                files=files,
            ),
            {
                **(facts.roi.files if facts.roi else {}),
                **_kept(options.checkpoint, tell),
                **({JUDGEMENTS: options.judgements} if options.taught else {}),
                **recorded_layers(graph_path, golden),
            },
            options.sign_key,
        )
    return ExportReport(bundle, graph)


def _usual(
    facts: SourceFacts,
    of_good: PictureScores,
    chosen: CalibrationPictures,
    former: Bundle | None,
    *,
    quiet: bool,
) -> GoodFacts | None:
    """The facts of the pictures that calibrate, with what a model says that has not seen them."""
    pictures, parts, scored = chosen.unseen, chosen.unseen_parts, facts.out_of_fold
    if scored is None:
        return good_facts(pictures, parts, facts, of_good.level, of_good.score, quiet=quiet)

    def answers(digests: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        level, score = scored.of(digests)
        # The mean of the served map is one of the cells outside, too.
        return level if facts.inside is None else np.full_like(level, np.nan), score

    of_these = answers([picture_digest(path) for path in pictures])
    known = None if former is None else facts_taken_over(former, *answers(scored.digests))
    if known is None:
        return good_facts(pictures, parts, facts, *of_these, quiet=quiet)
    return with_further(known, pictures, parts, facts, *of_these, quiet=quiet)


def _part_ids(
    facts: SourceFacts, chosen: CalibrationPictures, options: ExportOptions
) -> NDArray[np.str_]:
    if facts.out_of_fold is None:
        return part_ids(chosen, options.grouping)
    digests = facts.out_of_fold.digests
    return part_ids_of_fit(digests, chosen, options.grouping, options.former_parts)


def _alpha(facts: SourceFacts, good_count: int, options: ExportOptions) -> Alpha | None:
    """The false-reject rate to calibrate for; None keeps the training's thresholds.

    Raises:
        CalibrationError: the pictures are too few, or the training left no thresholds.
    """
    if not options.keep_thresholds:
        return choose_alpha(options.alpha, good_count)
    if facts.trained_thresholds is None:
        raise CalibrationError(
            "there are no thresholds of the training to keep (not every file has some, and "
            "--full-view, --zero-shot, --tile and --roi leave them behind, as they belong to "
            "another map); leave --keep-thresholds out, so that good pictures give them"
        )
    return None


def _kept(checkpoint: Path | None, tell: Callable[[str], None]) -> dict[str, bytes]:
    """The file of the fit, by its name in the bundle; none, with a warning, if it is too large."""
    if checkpoint is None:
        return {}
    if (size := checkpoint.stat().st_size) > CHECKPOINT_BYTES:
        tell(
            f"warning: the file of the fit has {size >> 20} MiB, and a bundle keeps none of more "
            f"than {CHECKPOINT_BYTES >> 20}: this version can be neither updated nor taught; learn "
            "with a smaller --size or fewer pictures for one that can"
        )
        return {}
    return {CHECKPOINT: checkpoint.read_bytes()}


def _thresholds(
    facts: SourceFacts, of_parts: PictureScores, alpha: Alpha | None, chosen: CalibrationPictures
) -> Thresholds:
    """Conformal thresholds for a false-reject rate; the training's if it is None."""
    if facts.out_of_fold is not None and alpha is not None:
        return cross_conformal(facts.out_of_fold, alpha)
    notes = [] if facts.seen else [SEEN_UNKNOWN]
    if alpha is None:
        assert facts.trained_thresholds is not None
        return Thresholds(
            image=facts.trained_thresholds.image,
            pixel=facts.trained_thresholds.pixel,
            method=f"kept from the training ({facts.framework})",
            alpha=None,
            good_count=0,
            notes=tuple(notes),
        )
    return conformal_thresholds(of_parts.score, of_parts.peak, alpha, chosen, notes)


def _bearing(
    subject: Subject,
    thresholds: Thresholds,
    chosen: CalibrationPictures,
    movement: Mapping[MovementKind, float],
    test: Callable[..., SelfTest],
) -> tuple[Subject, Thresholds]:
    """The model at thresholds that bear movement, with a note of what that costs in defects.

    Raises:
        CalibrationError: the thresholds promise no rate, or good pictures are too few to move.
    """
    if subject.alpha is None:
        raise CalibrationError("--movement needs thresholds from good pictures")
    factor = raised_to_bear(subject, chosen.unseen, movement, subject.alpha)
    asked = movement_text(movement)
    if factor == 1.0:
        note = f"bears {asked}, as was asked, without higher thresholds"
        return subject, thresholds.model_copy(update={"notes": (*thresholds.notes, note)})
    pair = ThresholdPair(factor * thresholds.image, factor * thresholds.pixel)
    raised = replace(subject, thresholds=pair, at=None)
    before, after = (
        [found.found, int(anomalous(one.thresholds, one.defect_score, one.defect_peak).sum())]
        for one in (subject, raised)
        for found in [test(one, strict=False)]
    )
    note = (
        f"thresholds are {factor:.2f} times as high, to bear {asked}: of made-up defects "
        f"{after[0]} are found instead of {before[0]}"
    )
    if count := len(subject.defect_score):
        note += f", of the {count} given ones {after[1]} instead of {before[1]}"
    raised_thresholds = thresholds.model_copy(
        update={"image": pair.image, "pixel": pair.pixel, "notes": (*thresholds.notes, note)}
    )
    return raised, raised_thresholds


def _golden(
    source: ModelSource, facts: SourceFacts, good: Sequence[Path], defects: Sequence[Path]
) -> Golden:
    """A few real pictures with the model's answers; one is defective if there is any."""
    defective = list(defects[:1])
    pictures = [*good[: GOLDEN_PICTURES - len(defective)], *defective]
    inputs = [read_model_input(path, facts.preprocess, facts.tiling) for path in pictures]
    return source.answer(cast(Batch, np.stack(inputs)))
