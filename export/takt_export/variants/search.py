"""The one path of a variant into a bundle: made, compared, refused or made anew, added.

An engine's module brings a `Maker`; nothing else here knows which engine it is.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.variant import EngineKind, Precision, Provider, Variant, VariantDrift
from takt.core.bundles.writing import add_variant
from takt.core.domain import Batch, ModelInput
from takt.core.engines.base import Engine
from takt.core.engines.layers import NAMED_FROM, LayerError, first_failing
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt_export.calibration.pictures_to_use import choose_pictures, sample_evenly
from takt_export.pictures import read_model_input
from takt_export.variants.drift_gate import (
    ALLOWED,
    AllowedDrift,
    answers_of,
    check_variant,
    drift_between,
    excess,
    golden_bounds,
)
from takt_export.versions import package_versions

CALIBRATION_PICTURES = 128
"""Most pictures that the ranges of 8 bits are taken from."""

COMPARED_INPUTS = 4
"""Golden inputs on which layers are compared."""

KEPT_AT_FIRST = 1
"""Layers that the search keeps in higher precision before it doubles their number."""

MOST_KEPT = 16

TIMED_RUNS = 15

NAMES_DIFFER_BY = 8
"""Digits of the contents' digest in a file's name."""

Tell = Callable[[str], None]
Images = Sequence[ModelInput]


@dataclass(frozen=True)
class VariantOptions:
    """Options of a variant.

    Attributes:
        precision: one that its engine has.
        allowed: the most drift; the precision's usual bounds if None.
        auto_mixed: if the drift is too much, keep the layers where it begins in higher precision.
        threads: of the engines that compare; 0 takes every core.
    """

    precision: Precision
    allowed: AllowedDrift | None = None
    auto_mixed: bool = False
    threads: int = 0


@dataclass(frozen=True)
class ConvertedGraph:
    """A graph that may become a variant.

    Attributes:
        model: the file that the engine opens: the bundle's own graph, or one of `files`.
        files: the graph's own files, under the names that they get in the bundle.
        rest: precision of the parts that an 8-bit graph of OpenVINO does not compute in 8 bits.
    """

    model: Path
    files: tuple[Path, ...] = ()
    rest: Precision = "fp32"


class Maker(ABC):
    """Converts a bundle's graph for one engine in one precision, and runs the result.

    Args:
        bundle: as it was loaded.
        options: with a precision that the engine has.
        tell: takes lines about what is going on.

    Attributes:
        name: first part of the variant's name.
        engine: the engine that will serve it.
        provider: the provider of ONNX Runtime that will serve it.
        mixes: whether `make` can keep layers in higher precision.
        timed: whether `open` runs on the device that will serve.
        facts: fields of the manifest's entry that only this engine fills in.
    """

    name: str
    engine: EngineKind
    provider: Provider = "cpu"
    mixes = True
    timed = True

    def __init__(self, bundle: Bundle, options: VariantOptions, tell: Tell) -> None:
        self.bundle = bundle
        self.options = options
        self.precision = options.precision
        self.tell = tell
        self.facts: dict[str, Any] = {}

    @property
    def calibrates(self) -> bool:
        """Whether `make` needs pictures."""
        return self.precision == "int8"

    @abstractmethod
    def make(self, images: Images, folder: Path, kept: Sequence[str]) -> ConvertedGraph:
        """Write a graph.

        Args:
            images: model inputs, [H,W,3], whose values the ranges of 8 bits must hold; none
                unless it calibrates.
            folder: for the files; made here.
            kept: nodes of layers that stay as they are.

        Raises:
            TaktError: the graph cannot be converted.
        """

    @abstractmethod
    def open(self, converted: ConvertedGraph) -> Engine:
        """The engine that will serve the graph, or the nearest to it on this host."""

    def layer_errors(self, converted: ConvertedGraph, images: Batch) -> Sequence[LayerError]:
        """How far the layers answer from the reference's to images [N,H,W,3]."""
        return ()


def export_variant(
    maker: Maker, good: Sequence[Path], defects: Sequence[Path], *, quiet: bool = False
) -> Bundle:
    """Add a variant to a bundle, if it answers like the trained model.

    Args:
        maker: of the bundle, the engine and the precision.
        good: pictures of good parts, for the ranges of 8 bits and for the comparison; those that
            the training has seen come last.
        defects: pictures of defective parts, for the comparison.
        quiet: show no progress bar.

    Returns:
        The bundle with the variant.

    Raises:
        CalibrationError: the training has seen all good pictures.
        DriftError: the variant answers too far from the trained model; the bundle stays as it was.
        PicturesError: a picture cannot be read.
    """
    bundle, manifest = maker.bundle, maker.bundle.manifest
    seen = tuple(bundle.calibration.seen.tolist())
    chosen = choose_pictures(good, defects, seen, maker.tell)
    threads = maker.options.threads
    with closing(OnnxRuntimeEngine.open(bundle.model_path, threads=threads)) as reference:
        expected = answers_of(reference, bundle, chosen.unseen, defects, quiet=quiet)
    sample = (
        sample_evenly(chosen.unseen, chosen.seen, CALIBRATION_PICTURES) if maker.calibrates else ()
    )
    images = [read_model_input(path, manifest.preprocess, manifest.tiling) for path in sample]

    def drift_of(converted: ConvertedGraph) -> VariantDrift:
        with closing(maker.open(converted)) as engine:
            found = answers_of(engine, bundle, chosen.unseen, defects, quiet=quiet)
        return drift_between(found, expected, bundle)

    with tempfile.TemporaryDirectory(prefix="takt-") as folder:
        converted, drift, kept = _accepted(maker, images, Path(folder), drift_of)
        with closing(maker.open(converted)) as engine:
            facts: dict[str, Any] = {
                "name": f"{maker.name}-{maker.precision}",
                "engine": maker.engine,
                "provider": maker.provider,
                "precision": maker.precision,
                "rest": converted.rest,
                "model": converted.model.name,
                "files": tuple(file.name for file in converted.files),
                "drift": drift,
                "bounds": golden_bounds(engine, bundle, maker.precision),
                "kept": kept,
                "images_per_s": _images_per_s(engine, bundle) if maker.timed else None,
                "made_with": package_versions(),
                "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        return add_variant(
            bundle,
            Variant(**facts | maker.facts),
            {file.name: file.read_bytes() for file in converted.files},
        )


def _accepted(
    maker: Maker, images: Images, folder: Path, drift_of: Callable[[ConvertedGraph], VariantDrift]
) -> tuple[ConvertedGraph, VariantDrift, tuple[str, ...]]:
    """Convert; with `auto_mixed`, keep more and more layers back until the drift is small enough.

    Returns:
        The graph, its drift, and the layers that were kept back, by the names of their weights.

    Raises:
        DriftError: the drift is too much, with as many layers kept as may be.
    """
    options, precision = maker.options, maker.precision
    allowed = options.allowed or ALLOWED[precision]
    kept: dict[str, str] = {}
    while True:
        if maker.mixes:
            maker.tell(f"converting to {precision}, {len(kept)} layers kept back")
        converted = maker.make(images, folder / str(len(kept)), tuple(kept))
        drift = drift_of(converted)
        beyond = excess(drift, allowed)
        if not beyond:
            return converted, drift, tuple(kept.values())
        errors = maker.layer_errors(converted, maker.bundle.golden.images[:COMPARED_INPUTS])
        worst = sorted(errors, key=lambda one: -one.grown)
        fresh = [one for one in worst if one.node not in kept][: max(KEPT_AT_FIRST, len(kept))]
        mixing = options.auto_mixed and maker.mixes and len(kept) < MOST_KEPT
        if not (mixing and fresh):
            layers = first_failing(errors, NAMED_FROM[precision])
            can_mix = maker.mixes and not options.auto_mixed
            check_variant(drift, precision, allowed, layers, can_mix=can_mix)
        kept |= {one.node: one.name for one in fresh}
        maker.tell(f"too much drift: {'; '.join(beyond)}")


def named_by_content(stem: str, *files: Path) -> tuple[Path, ...]:
    """Rename the files of one graph so that no other graph's have the same name."""
    contents = b"".join(file.read_bytes() for file in files)
    digest = hashlib.sha256(contents).hexdigest()[:NAMES_DIFFER_BY]
    return tuple(file.rename(file.with_name(f"{stem}-{digest}{file.suffix}")) for file in files)


def _images_per_s(engine: Engine, bundle: Bundle) -> float:
    """One picture after another, by the median of `TIMED_RUNS`."""
    image = bundle.golden.images[:1]
    times = []
    for _ in range(TIMED_RUNS):
        started_s = time.perf_counter()
        engine.infer(image)
        times.append(time.perf_counter() - started_s)
    return 1 / float(np.median(times))
