"""Does what a bundle holds still answer like the trained model, on every engine of this host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from service.bundles.bundle import MANIFEST, MODEL, Bundle, check_place, load_bundle
from service.bundles.manifest import Manifest
from service.bundles.variant import GoldenBounds, Provider
from service.engines.base import Engine
from service.engines.golden import GoldenDrift, bounds_of, measure_golden
from service.engines.onnxruntime import PROVIDERS
from service.errors import BundleError, ConfigurationError, EngineError, TaktError

OpenEngine = Callable[[Path, Provider], Engine]
"""Opens a graph on an engine; a ConfigurationError says that this host has no such engine."""

OpenVariant = Callable[[Bundle, str], Engine]
"""Opens a bundle's variant by its name, likewise."""


@dataclass(frozen=True)
class Absent:
    """An engine that this host does not have, and why."""

    engine: str
    reason: str


@dataclass(frozen=True)
class GraphRun:
    """A graph of a bundle on an engine of this host.

    Attributes:
        graph: its file.
        engine: what ran it: a provider of ONNX Runtime, or a variant by its name.
        drift: from the golden answers; None if it could not be run.
        bounds: of the drift.
        problem: why it could not, else None.
        ok: whether it ran and drifts by no more than the manifest's tolerance, or the variant's
            bounds.
    """

    graph: str
    engine: str
    drift: GoldenDrift | None
    bounds: GoldenBounds
    problem: str | None
    ok: bool


@dataclass(frozen=True)
class BundleResult:
    """A bundle and its graphs on the engines.

    Attributes:
        path: its folder.
        manifest: None if the bundle is damaged.
        problem: what is wrong with the bundle as a whole, else None.
        runs: graph by graph.
        ok: whether it is whole and all its runs are ok.
    """

    path: Path
    manifest: Manifest | None
    problem: str | None
    runs: tuple[GraphRun, ...]
    ok: bool


@dataclass(frozen=True)
class Verification:
    """Bundles on this host.

    Attributes:
        bundles: in the order in which they were named.
        absent: engines that this host lacks.
        ok: whether all bundles are.
    """

    bundles: tuple[BundleResult, ...]
    absent: tuple[Absent, ...]
    ok: bool


def verify(
    paths: Sequence[Path], open_engine: OpenEngine, open_variant: OpenVariant
) -> Verification:
    """Check the files of bundles and run their golden inputs on every engine there is.

    Args:
        paths: bundles, or folders that hold some; at least one.
        open_engine: see there.
        open_variant: likewise.

    Raises:
        BundleError: a path holds no bundle at all.
    """
    absent: dict[str, str] = {}
    bundles = tuple(
        _verify_bundle(path, open_engine, open_variant, absent) for path in _find_bundles(paths)
    )
    return Verification(
        bundles=bundles,
        absent=tuple(Absent(engine, reason) for engine, reason in absent.items()),
        ok=all(bundle.ok for bundle in bundles),
    )


def _find_bundles(paths: Sequence[Path]) -> Sequence[Path]:
    found: dict[Path, Path] = {}
    for path in paths:
        bundles = [path] if _is_bundle(path) else sorted(filter(_is_bundle, _below(path)))
        if not bundles:
            raise BundleError(
                f"{path} holds no bundle; name one, REPOSITORY/NAME/VERSION, or their repository"
            )
        for bundle in bundles:
            found.setdefault(bundle.resolve(), bundle)
    return list(found.values())


def _is_bundle(path: Path) -> bool:
    """By either file, so that a bundle that lost one is reported and not passed over."""
    return (path / MANIFEST).exists() or (path / MODEL).exists()


def _below(path: Path) -> list[Path]:
    """Folders of a repository or of a model; hidden ones are exports that were cut off."""
    return [
        folder
        for pattern in ("*", "*/*")
        for folder in path.glob(pattern)
        if not any(part.startswith(".") for part in folder.relative_to(path).parts)
    ]


def _verify_bundle(
    path: Path, open_engine: OpenEngine, open_variant: OpenVariant, absent: dict[str, str]
) -> BundleResult:
    """Verify one bundle; engines found absent are noted and not tried again."""
    try:
        bundle = load_bundle(path)
        check_place(path, bundle.manifest)
    except BundleError as error:
        return BundleResult(path, manifest=None, problem=str(error), runs=(), ok=False)
    runs = []
    bounds = bounds_of(bundle.manifest.tolerance)
    for graph in _graphs(bundle.manifest):
        for engine in PROVIDERS:
            if engine in absent:
                continue
            try:
                opening = partial(open_engine, bundle.path / graph, engine)
                runs.append(_run(bundle, graph, engine, opening, bounds))
            except ConfigurationError as error:
                absent[engine] = str(error)
    for variant in bundle.manifest.variants:
        try:
            opening = partial(open_variant, bundle, variant.name)
            runs.append(_run(bundle, variant.model, variant.name, opening, variant.bounds))
        except ConfigurationError as error:
            absent[variant.name] = str(error)
    return BundleResult(
        path=path,
        manifest=bundle.manifest,
        problem=None if runs else "no engine of this host could run it",
        runs=tuple(runs),
        ok=bool(runs) and all(run.ok for run in runs),
    )


def _graphs(manifest: Manifest) -> Sequence[str]:
    """The bundle's graphs, the reference first; not those of variants."""
    of_variants = {name for variant in manifest.variants for name in variant.files}
    return sorted(
        (name for name in manifest.files if name.endswith(".onnx") and name not in of_variants),
        key=lambda name: (name != MODEL, name),
    )


def _run(
    bundle: Bundle,
    graph: str,
    engine: str,
    opening: Callable[[], Engine],
    bounds: GoldenBounds,
) -> GraphRun:
    try:
        with closing(opening()) as opened:
            drift = measure_golden(opened, bundle)
    except ConfigurationError:
        raise
    except TaktError as error:
        return GraphRun(graph, engine, None, bounds, problem=_reason(error), ok=False)
    return GraphRun(graph, engine, drift, bounds, problem=None, ok=drift.within(bounds))


def _reason(error: TaktError) -> str:
    """What went wrong; an engine's error leaves the runtime's own words to a log."""
    if isinstance(error, EngineError) and error.__cause__ is not None:
        words = str(error.__cause__).strip().splitlines() or [type(error.__cause__).__name__]
        return f"the engine failed on the golden inputs: {words[0]}"
    return str(error)
