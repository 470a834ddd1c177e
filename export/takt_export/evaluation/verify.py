"""Check of bundles: their files, and their answers on every engine of this host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from takt.core.bundles.bundle import MANIFEST, MODEL, Bundle, check_place, load_bundle
from takt.core.bundles.manifest import Manifest
from takt.core.bundles.signing.signature import TrustedKeys
from takt.core.bundles.variant import GoldenBounds, Provider, Variant
from takt.core.engines.base import Engine
from takt.core.engines.golden import GoldenDrift, bounds_of, measure_golden
from takt.core.engines.opener import drifting_layers
from takt.core.engines.provider_options import PROVIDERS
from takt.core.errors import BundleError, ConfigurationError, EngineError, TaktError

OpenGraph = Callable[[Path, Provider], Engine]
"""Opens a graph on an engine; a ConfigurationError means that this host has no such engine."""

OpenVariant = Callable[[Bundle, str], Engine]
"""Opens a bundle's variant by its name; a ConfigurationError means the same."""


@dataclass(frozen=True)
class AbsentEngine:
    """An engine that this host lacks, and why."""

    engine: str
    reason: str


@dataclass(frozen=True)
class GraphRun:
    """A run of one of a bundle's graphs on an engine of this host.

    Attributes:
        graph: name of the graph's file.
        engine: provider of ONNX Runtime, or name of the variant.
        drift: drift from the golden answers; None if the run failed.
        bounds: largest drift that is allowed.
        problem: reason of the failure; None if there was none.
        ok: whether the run succeeded within the bounds.
        layers: layer where a drifting graph begins to differ; empty if unknown, or if it does not.
    """

    graph: str
    engine: str
    drift: GoldenDrift | None
    bounds: GoldenBounds
    problem: str | None
    ok: bool
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class BundleResult:
    """Check of one bundle.

    Attributes:
        path: folder of the bundle.
        manifest: manifest of the bundle; None if the bundle is damaged.
        problem: problem of the bundle as a whole; None if there is none.
        runs: runs of its graphs, graph by graph.
        ok: whether the bundle is whole and all its runs are ok.
        signed_by: name of the key that has signed it; None if no key was given.
    """

    path: Path
    manifest: Manifest | None
    problem: str | None
    runs: tuple[GraphRun, ...]
    ok: bool
    signed_by: str | None = None


@dataclass(frozen=True)
class Verification:
    """Check of several bundles on this host.

    Attributes:
        bundles: checks in the order of the arguments.
        absent: engines that this host lacks.
        ok: whether all bundles are ok.
    """

    bundles: tuple[BundleResult, ...]
    absent: tuple[AbsentEngine, ...]
    ok: bool


def verify(
    paths: Sequence[Path],
    open_graph: OpenGraph,
    open_variant: OpenVariant,
    keys: TrustedKeys | None = None,
) -> Verification:
    """Check the files of bundles and run their golden inputs on every engine of this host.

    Args:
        paths: bundles, or folders that hold bundles; at least one.
        open_graph: opens a graph on a provider of ONNX Runtime.
        open_variant: opens a variant.
        keys: one of them must have signed each bundle; signatures are not looked at if None.

    Raises:
        BundleError: a path holds no bundle.
        ConfigurationError: the keys cannot be read.
    """
    if keys is not None:
        keys.names()
    absent: dict[str, str] = {}
    bundles = tuple(
        _verify_bundle(path, open_graph, open_variant, keys, absent)
        for path in _find_bundles(paths)
    )
    return Verification(
        bundles=bundles,
        absent=tuple(AbsentEngine(engine, reason) for engine, reason in absent.items()),
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
    """Whether a folder has either file; a bundle that lost one is reported, not passed over."""
    return (path / MANIFEST).exists() or (path / MODEL).exists()


def _below(path: Path) -> list[Path]:
    """Folders of a repository or of a model, without hidden ones, which are unfinished exports."""
    return [
        folder
        for pattern in ("*", "*/*")
        for folder in path.glob(pattern)
        if not any(part.startswith(".") for part in folder.relative_to(path).parts)
    ]


def _verify_bundle(
    path: Path,
    open_graph: OpenGraph,
    open_variant: OpenVariant,
    keys: TrustedKeys | None,
    absent: dict[str, str],
) -> BundleResult:
    """Check one bundle; adds the engines found absent, which are not tried again."""
    try:
        with closing(load_bundle(path, keys=keys)) as bundle:
            check_place(path, bundle.manifest)
            return _run_all(bundle, open_graph, open_variant, absent)
    except BundleError as error:
        return BundleResult(path, manifest=None, problem=str(error), runs=(), ok=False)


def _run_all(
    bundle: Bundle, open_graph: OpenGraph, open_variant: OpenVariant, absent: dict[str, str]
) -> BundleResult:
    bounds = bounds_of(bundle.manifest.tolerance)
    graphs = [
        (graph, engine, partial(open_graph, bundle.content / graph, engine), bounds, None)
        for graph in _graphs(bundle.manifest)
        for engine in PROVIDERS
    ]
    variants = [
        (
            variant.model,
            variant.name,
            partial(open_variant, bundle, variant.name),
            variant.bounds,
            variant,
        )
        for variant in bundle.manifest.variants
    ]
    runs = []
    for graph, engine, opening, bounds, variant in [*graphs, *variants]:
        if engine in PROVIDERS and engine in absent:
            continue
        try:
            runs.append(_run(bundle, graph, engine, opening, bounds, variant))
        except ConfigurationError as error:
            absent[engine] = str(error)
    return BundleResult(
        path=bundle.path,
        manifest=bundle.manifest,
        problem=None if runs else "no engine of this host could run it",
        runs=tuple(runs),
        ok=bool(runs) and all(run.ok for run in runs),
        signed_by=bundle.signed_by,
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
    variant: Variant | None,
) -> GraphRun:
    try:
        with closing(opening()) as opened:
            drift = measure_golden(opened, bundle)
    except ConfigurationError:
        raise
    except TaktError as error:
        return GraphRun(graph, engine, None, bounds, problem=_reason(error), ok=False)
    ok = drift.within(bounds)
    layers = () if ok else tuple(drifting_layers(bundle, bundle.content / graph, variant))
    return GraphRun(graph, engine, drift, bounds, problem=None, ok=ok, layers=layers)


def _reason(error: TaktError) -> str:
    """Reason of a failure; for an engine's error, the first line of the runtime's own."""
    if isinstance(error, EngineError) and error.__cause__ is not None:
        words = str(error.__cause__).strip().splitlines() or [type(error.__cause__).__name__]
        return f"the engine failed on the golden inputs: {words[0]}"
    return str(error)
