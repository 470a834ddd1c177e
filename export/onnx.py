"""From a checkpoint to a bundle: write the graph, compare it with torch, calibrate, keep proofs."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from export.calibrate import (
    METHOD,
    CalibrationError,
    ConformalThresholds,
    calibrate,
    conformal_rank,
)
from export.copies import distinct
from export.graph import ExportError, GraphFacts, ImagesToAnswer, write_graph
from export.measure import answer_of_torch, check_drift, measure, measure_drift
from export.pictures import PicturesError, read_model_input
from export.versions import package_versions
from models.checkpoints import Checkpoint, picture_digest
from service.bundle import (
    MODEL,
    NAME_PATTERN,
    Bundle,
    Calibration,
    Golden,
    Manifest,
    MapSpec,
    Preprocess,
    Thresholds,
    save_bundle,
)
from service.engines.onnxruntime import OnnxRuntimeEngine
from service.errors import BundleError

DRIFT_PICTURES = 50
GOLDEN_PICTURES = 3
TOLERANCE = 1e-3
"""Of the golden inputs as the service loads the bundle: other engines than this one may serve."""


@dataclass(frozen=True)
class ExportOptions:
    """How a checkpoint is exported.

    Attributes:
        alpha: share of good pictures that may be refused.
        allowed_drift: largest absolute difference of score and map between torch and the graph.
        threads: of ONNX Runtime; 0 takes every core.
    """

    alpha: float = 0.01
    allowed_drift: float = 1e-4
    threads: int = 0


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    Attributes:
        bundle: as it was written.
        graph: size and storage of the weights.
        defect_count: defective pictures that were given.
        defects_found: those that score above the threshold.
    """

    bundle: Bundle
    graph: GraphFacts
    defect_count: int
    defects_found: int

    def text(self) -> str:
        """The report for people: size, drift, thresholds and what they promise."""
        manifest = self.bundle.manifest
        drift, thresholds = manifest.drift, manifest.thresholds
        alpha = f"{100 * (thresholds.alpha or 0):.3g} %"
        lines = [
            f"graph       {self.graph.size_bytes / 1e6:.1f} MB, "
            f"{self.graph.halved_weights / self.graph.weights:.1%} of the weights in float16 "
            "without loss",
            f"drift       score {drift.score:.2g}, map {drift.anomaly_map:.2g} between torch and "
            f"the graph, on {drift.pictures} pictures",
            f"thresholds  score {thresholds.image:.6g}, map {thresholds.pixel:.6g}, from "
            f"{thresholds.good_count} good pictures",
            f"guarantee   a further good picture like these is called anomalous with a probability "
            f"of at most {alpha}, and shows a region with at most {alpha}",
        ]
        if self.defect_count:
            lines.append(
                f"defects     {self.defects_found} of {self.defect_count} score above the threshold"
            )
        return "\n".join([*lines, f"bundle      {self.bundle.path}"])


@dataclass(frozen=True)
class _Good:
    unseen: tuple[Path, ...]
    seen: tuple[Path, ...]


def export_bundle(
    checkpoint: Checkpoint,
    good: Sequence[Path],
    defects: Sequence[Path],
    out: Path,
    options: ExportOptions,
    *,
    tell: Callable[[str], None],
    quiet: bool = False,
) -> ExportReport:
    """Export a checkpoint to `<repository>/<name>/<version>`.

    Args:
        checkpoint: a fitted model and what is known about its fit.
        good: pictures of good parts; those that the fit has seen are left out.
        defects: pictures of defective parts, for the record; the thresholds do not use them.
        out: the bundle's folder; must not exist.
        options: see there.
        tell: takes lines about what is going on.
        quiet: show no progress bar.

    Raises:
        BundleError: the folder exists, or its name is none for a model or version.
        CalibrationError: too few unseen good pictures for alpha.
        ExportError: the graph answers unlike torch.
        PicturesError: a picture cannot be read.
    """
    out = out.resolve()
    _check_folder(out)
    digests = distinct(good, tell)
    _refuse_in_both(digests, defects)
    chosen = _leave_out_seen(digests, checkpoint.facts.seen, tell)
    conformal_rank(len(chosen.unseen), options.alpha)
    spec = _preprocess(checkpoint)
    reference = ImagesToAnswer(checkpoint.model).eval()

    with tempfile.TemporaryDirectory(prefix="takt-") as folder:
        graph_path = Path(folder) / MODEL
        tell("writing the graph")
        graph = write_graph(checkpoint.model, graph_path)
        with closing(OnnxRuntimeEngine.open(graph_path, threads=options.threads)) as engine:
            compared = _spread([*chosen.unseen, *defects], chosen.seen, DRIFT_PICTURES)
            drift = measure_drift(reference, engine, compared, spec, quiet=quiet)
            check_drift(drift, options.allowed_drift)
            of_good = measure(engine, chosen.unseen, spec, "good pictures", quiet=quiet)
            of_defects = measure(engine, defects, spec, "defective pictures", quiet=quiet)
        thresholds = calibrate(of_good.score, of_good.peak, options.alpha)
        bundle = save_bundle(
            out,
            _golden(reference, chosen.unseen, defects, spec),
            Calibration(of_good.score, of_good.peak, of_defects.score, of_defects.peak),
            partial(_copy, graph_path),
            lambda files: Manifest(
                name=out.parent.name,
                version=out.name,
                family="efficientad",
                variant=checkpoint.model.config.size,
                framework=checkpoint.facts.framework,
                preprocess=spec,
                map=MapSpec(width=spec.width, height=spec.height, low=of_good.map_median),
                thresholds=_as_stored(thresholds),
                drift=drift,
                tolerance=max(TOLERANCE, options.allowed_drift),
                made_with=_made_with(checkpoint),
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                files=files,
            ),
        )
    return ExportReport(
        bundle=bundle,
        graph=graph,
        defect_count=len(defects),
        defects_found=int((of_defects.score > thresholds.image).sum()),
    )


def _check_folder(out: Path) -> None:
    if out.exists():
        raise BundleError(f"{out} exists; versions are never changed, so export to a new one")
    for what, name in (("name", out.parent.name), ("version", out.name)):
        if not re.match(NAME_PATTERN, name):
            raise BundleError(
                f"{name!r} is no model {what}: give --out as REPOSITORY/NAME/VERSION, with "
                "letters, digits, '.', '_' and '-'"
            )


def _preprocess(checkpoint: Checkpoint) -> Preprocess:
    if checkpoint.facts.preprocess != "area":
        raise ExportError(
            f"the fit resized its pictures by {checkpoint.facts.preprocess!r}; the service "
            "resizes by area averaging, on which this model would score otherwise: fit it again "
            "with `takt fit`"
        )
    side = checkpoint.model.config.image_size
    return Preprocess(width=side, height=side, resize="area", crop=None)


def _refuse_in_both(good: Mapping[Path, str], defects: Sequence[Path]) -> None:
    known = frozenset(good.values())
    for path in defects:
        if picture_digest(path) in known:
            raise PicturesError(
                f"{path} is among the good pictures too; give --good and --defects folders that "
                "share no picture"
            )


def _leave_out_seen(
    good: Mapping[Path, str], seen: Sequence[str], tell: Callable[[str], None]
) -> _Good:
    """Part the good pictures by whether the fit looked at them."""
    known = frozenset(seen)
    if not known:
        tell(
            "warning: the checkpoint does not say which pictures its fit has seen; the "
            "thresholds hold only if it has seen none of these"
        )
    parted = _Good(
        unseen=tuple(path for path, digest in good.items() if digest not in known),
        seen=tuple(path for path, digest in good.items() if digest in known),
    )
    if not parted.unseen:
        raise CalibrationError(
            f"the fit has seen all {len(parted.seen)} good pictures; thresholds need others, so "
            "give --good a folder that has more"
        )
    if known:
        tell(
            f"calibrating on {len(parted.unseen)} pictures the fit never saw; "
            f"{len(parted.seen)} seen ones left out"
        )
    return parted


def _spread(first: Sequence[Path], then: Sequence[Path], count: int) -> list[Path]:
    """At most `count`, evenly from the first ones, filled up from the others."""
    if len(first) < count:
        return [*first, *then][:count]
    return [first[i * len(first) // count] for i in range(count)]


def _golden(
    reference: ImagesToAnswer, good: Sequence[Path], defects: Sequence[Path], spec: Preprocess
) -> Golden:
    """A few real pictures with torch's answers, a defective one among them if there is one."""
    defective = list(defects[:1])
    pictures = [*good[: GOLDEN_PICTURES - len(defective)], *defective]
    images = np.stack([read_model_input(path, spec) for path in pictures])
    return answer_of_torch(reference, images)


def _as_stored(thresholds: ConformalThresholds) -> Thresholds:
    return Thresholds(
        image=thresholds.image,
        pixel=thresholds.pixel,
        method=METHOD,
        alpha=thresholds.alpha,
        good_count=thresholds.good_count,
    )


def _made_with(checkpoint: Checkpoint) -> dict[str, str]:
    """What exported the bundle, and with `fit:` before it what fitted the model."""
    fit = {f"fit:{name}": value for name, value in checkpoint.facts.made_with.items()}
    return package_versions() | fit


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
