"""How a variant comes to a bundle: made, compared, refused or made anew with layers kept back."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from export.calibration.pictures_to_use import distinct, leave_out_seen, refuse_in_both, spread
from export.pictures import check_pictures, read_model_input
from export.variants.drift_gate import (
    ALLOWED,
    AllowedDrift,
    Answers,
    answers_of,
    check_variant,
    drift_between,
    excess,
    golden_bounds,
)
from export.versions import package_versions
from service.bundles.bundle import Bundle
from service.bundles.variant import EngineKind, Precision, Provider, Variant, VariantDrift
from service.bundles.writing import add_variant
from service.engines.base import Engine
from service.engines.layers import LayerError, first_failing
from service.engines.onnxruntime import OnnxRuntimeEngine

CALIBRATION_PICTURES = 128
"""That the ranges of 8 bits are taken from."""

COMPARED_INPUTS = 4
"""Golden inputs on which layers are compared."""

KEPT_AT_FIRST = 1
"""Layers that the search keeps in higher precision before it doubles their number."""

MOST_KEPT = 16

TIMED_RUNS = 15

NAMED_FROM: dict[Precision, float] = {"fp32": 0.001, "fp16": 0.02, "bf16": 0.05, "int8": 0.25}
"""Error of a layer, in deviations of its output, from which it is named."""

Tell = Callable[[str], None]
Images = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class VariantOptions:
    """What is asked of a variant.

    Attributes:
        precision: one that its engine has.
        allowed: the most drift; None for what the precision's bounds say.
        auto_mixed: keep the layers where the drift begins in higher precision, if it is too much.
        threads: of the engines that compare; 0 takes every core.
    """

    precision: Precision
    allowed: AllowedDrift | None = None
    auto_mixed: bool = False
    threads: int = 0


@dataclass(frozen=True)
class Candidate:
    """A graph that may become a variant.

    Attributes:
        model: its file; the bundle's own graph, or one of `files`.
        files: those of its own, under names that no other contents have.
        rest: what an 8-bit graph of OpenVINO is to compute in wherever it is not in 8 bits.
    """

    model: Path
    files: tuple[Path, ...] = ()
    rest: Precision = "fp32"


class Maker(Protocol):
    """What makes the candidates of one engine in one precision, and runs them."""

    @property
    def engine(self) -> EngineKind:
        """That will serve them."""

    @property
    def provider(self) -> Provider:
        """Of ONNX Runtime, that will."""

    @property
    def calibrates(self) -> bool:
        """Whether `make` needs pictures."""

    @property
    def keeps(self) -> bool:
        """Whether `make` can keep layers in higher precision."""

    @property
    def timed(self) -> bool:
        """Whether what `open` gives runs on the device that will serve."""

    def make(self, images: Images, folder: Path, kept: Sequence[str]) -> Candidate:
        """Write a candidate.

        Args:
            images: model inputs, uint8 [H,W,3], that show what the ranges must hold; none unless
                it calibrates.
            folder: for its files; is made.
            kept: nodes of layers that stay as they are.

        Raises:
            TaktError: it cannot be made.
        """

    def open(self, candidate: Candidate) -> Engine:
        """What will serve it, on one core or device, or the nearest to it that is here."""

    def layer_errors(self, candidate: Candidate, images: NDArray[np.uint8]) -> Sequence[LayerError]:
        """How far its layers answer from the reference's to images uint8 [N,H,W,3]."""


def export_variant(
    bundle: Bundle,
    good: Sequence[Path],
    defects: Sequence[Path],
    options: VariantOptions,
    maker: Maker,
    *,
    tell: Tell,
    quiet: bool = False,
) -> Bundle:
    """Add a variant to a bundle, if it answers like the trained model.

    Args:
        bundle: as it was loaded.
        good: pictures of good parts, for the ranges of 8 bits and for the comparison; those that
            the training has seen come last.
        defects: pictures of defective parts, for the comparison.
        options: see there.
        maker: of its precision.
        tell: takes lines about what is going on.
        quiet: show no progress bar.

    Raises:
        CalibrationError: the training has seen all good pictures.
        DriftError: the variant answers too far from the trained model; the bundle stays as it was.
        PicturesError: a picture cannot be read.
    """
    digests = distinct(good, tell)
    refuse_in_both(digests, defects)
    check_pictures([*digests, *defects])
    chosen = leave_out_seen(digests, tuple(bundle.calibration.seen.tolist()), tell)
    with closing(OnnxRuntimeEngine.open(bundle.model_path, threads=options.threads)) as reference:
        expected = answers_of(reference, bundle, chosen.unseen, defects, quiet=quiet)
    calibrated = (
        spread(chosen.unseen, chosen.seen, CALIBRATION_PICTURES) if maker.calibrates else ()
    )
    manifest = bundle.manifest
    images = [read_model_input(path, manifest.preprocess, manifest.tiling) for path in calibrated]
    search = _Search(bundle, chosen.unseen, defects, options, maker, expected, tell, quiet)
    with tempfile.TemporaryDirectory(prefix="takt-") as folder:
        found = search.run(images, Path(folder))
        with closing(maker.open(found.candidate)) as engine:
            variant = Variant(
                name=f"{maker.engine}-{options.precision}",
                engine=maker.engine,
                provider=maker.provider,
                precision=options.precision,
                rest=found.candidate.rest,
                model=found.candidate.model.name,
                files=tuple(file.name for file in found.candidate.files),
                drift=found.drift,
                bounds=golden_bounds(engine, bundle),
                kept=found.kept,
                images_per_s=_images_per_s(engine, bundle) if maker.timed else None,
                made_with=package_versions(),
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
        return add_variant(
            bundle, variant, {file.name: file.read_bytes() for file in found.candidate.files}
        )


@dataclass(frozen=True)
class _Found:
    """A candidate that passed the gate; `kept` are layers, by the names of their weights."""

    candidate: Candidate
    drift: VariantDrift
    kept: tuple[str, ...]


@dataclass(frozen=True)
class _Search:
    """Makes candidates and judges them; each is compared on the same pictures."""

    bundle: Bundle
    good: Sequence[Path]
    defects: Sequence[Path]
    options: VariantOptions
    maker: Maker
    expected: Answers
    tell: Tell
    quiet: bool

    def run(self, images: Images, folder: Path) -> _Found:
        """Make one; where asked, keep more and more layers back until the drift is small enough.

        Raises:
            DriftError: the drift is too much, with as many layers kept as may be.
        """
        options = self.options
        allowed = options.allowed or ALLOWED[options.precision]
        kept: dict[str, str] = {}
        while True:
            if self.maker.keeps:
                self.tell(f"converting to {options.precision}, {len(kept)} layers kept back")
            candidate = self.maker.make(images, folder / str(len(kept)), tuple(kept))
            drift = self._drift(candidate)
            beyond = excess(drift, allowed)
            if not beyond:
                return _Found(candidate, drift, tuple(kept.values()))
            errors = self.maker.layer_errors(candidate, self.bundle.golden.images[:COMPARED_INPUTS])
            worst = sorted(errors, key=lambda one: -one.grown)
            fresh = [one for one in worst if one.node not in kept][: max(KEPT_AT_FIRST, len(kept))]
            mixing = options.auto_mixed and self.maker.keeps and len(kept) < MOST_KEPT
            if not (mixing and fresh):
                layers = first_failing(errors, NAMED_FROM[options.precision])
                check_variant(drift, options.precision, allowed, layers)
            kept |= {one.node: one.name for one in fresh}
            self.tell(f"too much drift: {'; '.join(beyond)}")

    def _drift(self, candidate: Candidate) -> VariantDrift:
        """How far it answers from the reference."""
        with closing(self.maker.open(candidate)) as engine:
            found = answers_of(engine, self.bundle, self.good, self.defects, quiet=self.quiet)
        return drift_between(found, self.expected, self.bundle)


def _images_per_s(engine: Engine, bundle: Bundle) -> float:
    """One picture after another, by the median of some runs."""
    image = bundle.golden.images[:1]
    times = []
    for _ in range(TIMED_RUNS):
        started_s = time.perf_counter()
        engine.infer(image)
        times.append(time.perf_counter() - started_s)
    return 1 / float(np.median(times))
