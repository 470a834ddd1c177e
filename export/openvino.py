"""Variants of a bundle for OpenVINO: float32 and bfloat16 of its graph, and one of 8 bits."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.choice import leave_out_seen, refuse_in_both, spread
from export.copies import distinct
from export.drift_gate import (
    ALLOWED,
    AllowedDrift,
    Answers,
    answers_of,
    check_variant,
    drift_between,
    excess,
    golden_bounds,
)
from export.pictures import check_pictures, read_model_input
from export.quantize import quantize
from export.versions import package_versions
from service.bundle import MODEL, Bundle, add_variant
from service.engines.layers import LayerError, first_failing, layer_errors
from service.engines.onnxruntime import OnnxRuntimeEngine
from service.engines.openvino import OpenVinoEngine
from service.variant import Precision, Variant, VariantDrift

CALIBRATION_PICTURES = 128
"""That the ranges of 8 bits are taken from."""

KEPT_AT_FIRST = 1
"""Layers that the search keeps in higher precision before it doubles their number."""

MOST_KEPT = 16

TIMED_RUNS = 15

NAMED_FROM: dict[Precision, float] = {"fp32": 0.001, "fp16": 0.02, "bf16": 0.05, "int8": 0.25}
"""Error of a layer, in deviations of its output, from which it is named."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class OpenVinoOptions:
    """What is asked of a variant.

    Attributes:
        precision: fp32, bf16 or int8.
        allowed: the most drift; None for what the precision's bounds say.
        auto_mixed: keep the layers where the drift begins in higher precision, if it is too much.
        threads: of the engines that compare; 0 takes every core.
    """

    precision: Precision
    allowed: AllowedDrift | None = None
    auto_mixed: bool = False
    threads: int = 0


@dataclass(frozen=True)
class _Candidate:
    """A graph that may become a variant.

    Attributes:
        model: its file.
        files: those of its own.
        kept: layers in higher precision.
    """

    model: Path
    files: tuple[Path, ...]
    kept: tuple[str, ...] = ()


def export_openvino(
    bundle: Bundle,
    good: Sequence[Path],
    defects: Sequence[Path],
    options: OpenVinoOptions,
    *,
    tell: Tell,
    quiet: bool = False,
) -> Bundle:
    """Add a variant for OpenVINO to a bundle, if it answers like the trained model.

    Args:
        bundle: as it was loaded.
        good: pictures of good parts, for the ranges of 8 bits and for the comparison; those that
            the training has seen come last.
        defects: pictures of defective parts, for the comparison.
        options: see there.
        tell: takes lines about what is going on.
        quiet: show no progress bar.

    Raises:
        ConfigurationError: OpenVINO or NNCF is not installed.
        DriftError: the variant answers too far from the trained model; the bundle stays as it was.
        PicturesError: a picture cannot be read.
    """
    digests = distinct(good, tell)
    refuse_in_both(digests, defects)
    check_pictures([*digests, *defects])
    chosen = leave_out_seen(digests, tuple(bundle.calibration.seen.tolist()), tell)
    compared = [*chosen.unseen] or [*chosen.seen]
    with closing(OnnxRuntimeEngine.open(bundle.model_path, threads=options.threads)) as reference:
        expected = answers_of(reference, bundle, compared, defects, quiet=quiet)
    with tempfile.TemporaryDirectory(prefix="takt-") as folder:
        search = _Search(bundle, compared, defects, options, expected, tell, quiet)
        if options.precision == "int8":
            calibrated = spread(chosen.unseen, chosen.seen, CALIBRATION_PICTURES)
            candidate, drift = search.of_int8(calibrated, Path(folder))
        else:
            candidate = _Candidate(bundle.model_path, ())
            drift = search.drift(candidate)
            search.check(candidate, drift)
        with closing(search.engine(candidate)) as engine:
            variant = Variant(
                name=f"openvino-{options.precision}",
                engine="openvino",
                precision=options.precision,
                model=candidate.files[0].name if candidate.files else MODEL,
                files=tuple(file.name for file in candidate.files),
                drift=drift,
                bounds=golden_bounds(engine, bundle),
                kept=candidate.kept,
                images_per_s=_images_per_s(engine, bundle),
                made_with=package_versions(),
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
        return add_variant(
            bundle, variant, {file.name: file.read_bytes() for file in candidate.files}
        )


class _Search:
    """Makes candidates and judges them; each is compared on the same pictures."""

    def __init__(
        self,
        bundle: Bundle,
        good: Sequence[Path],
        defects: Sequence[Path],
        options: OpenVinoOptions,
        expected: Answers,
        tell: Tell,
        quiet: bool,
    ) -> None:
        self._bundle = bundle
        self._good = good
        self._defects = defects
        self._options = options
        self._expected = expected
        self._tell = tell
        self._quiet = quiet

    def engine(self, candidate: _Candidate) -> OpenVinoEngine:
        """What will serve it, on one core."""
        return OpenVinoEngine.open(candidate.model, precision=self._options.precision)

    def drift(self, candidate: _Candidate) -> VariantDrift:
        """How far it answers from the reference."""
        with closing(self.engine(candidate)) as engine:
            found = answers_of(engine, self._bundle, self._good, self._defects, quiet=self._quiet)
        return drift_between(found, self._expected, self._bundle)

    def check(self, candidate: _Candidate, drift: VariantDrift) -> None:
        """Refuse it if that is too far, naming the layers where it begins.

        Raises:
            DriftError: it is.
        """
        options = self._options
        layers: tuple[str, ...] = ()
        if excess(drift, options.allowed or ALLOWED[options.precision]):
            layers = first_failing(self._layers(candidate), NAMED_FROM[options.precision])
        check_variant(drift, options.precision, options.allowed, layers)

    def of_int8(self, calibrated: Sequence[Path], folder: Path) -> tuple[_Candidate, VariantDrift]:
        """Quantise; where asked, keep more and more layers back until the drift is small enough.

        Raises:
            DriftError: the drift is too much, with as many layers kept as may be.
        """
        options = self._options
        allowed = options.allowed or ALLOWED["int8"]
        images = [
            read_model_input(path, self._bundle.manifest.preprocess, self._bundle.manifest.tiling)
            for path in calibrated
        ]
        kept: dict[str, str] = {}
        while True:
            self._tell(f"quantising, {len(kept)} layers kept back")
            candidate = self._quantized(images, folder / str(len(kept)), kept)
            drift = self.drift(candidate)
            if not excess(drift, allowed) or not options.auto_mixed or len(kept) >= MOST_KEPT:
                self.check(candidate, drift)
                return candidate, drift
            worst = sorted(self._layers(candidate), key=lambda one: -one.grown)
            fresh = [one for one in worst if one.node not in kept][: max(KEPT_AT_FIRST, len(kept))]
            kept |= {one.node: one.name for one in fresh}
            self._tell(f"too much drift: {'; '.join(excess(drift, allowed))}")

    def _quantized(
        self, images: Sequence[NDArray[np.uint8]], folder: Path, kept: dict[str, str]
    ) -> _Candidate:
        """Layers are kept by the names of their nodes, and told by those of their weights."""
        ir = quantize(
            self._bundle.model_path, self._bundle.manifest.family, images, folder, tuple(kept)
        )
        return _Candidate(ir.xml, (ir.xml, ir.weights), tuple(kept.values()))

    def _layers(self, candidate: _Candidate) -> tuple[LayerError, ...]:
        hint = "bf16" if self._options.precision == "bf16" else "f32"
        images = self._bundle.golden.images[:4]
        return layer_errors(self._bundle.model_path, candidate.model, images, hint)


def _images_per_s(engine: OpenVinoEngine, bundle: Bundle) -> float:
    """One picture after another, by the median of some runs."""
    image = bundle.golden.images[:1]
    times = []
    for _ in range(TIMED_RUNS):
        started_s = time.perf_counter()
        engine.infer(image)
        times.append(time.perf_counter() - started_s)
    return 1 / float(np.median(times))
