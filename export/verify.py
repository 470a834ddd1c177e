"""Does what a bundle holds still answer like the trained model, on every engine of this host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from service.bundle import MANIFEST, MODEL, Bundle, check_place, load_bundle
from service.engines.base import Engine
from service.engines.golden import GoldenDrift, measure_golden
from service.engines.onnxruntime import PROVIDERS
from service.errors import BundleError, ConfigurationError, EngineError, TaktError
from service.manifest import Manifest
from service.variant import Provider

OpenEngine = Callable[[Path, Provider], Engine]
"""Opens a graph on an engine; a ConfigurationError says that this host has no such engine."""


@dataclass(frozen=True)
class Absent:
    """An engine that this host does not have, and why."""

    engine: Provider
    reason: str


@dataclass(frozen=True)
class GraphRun:
    """A graph of a bundle on an engine of this host.

    Attributes:
        graph: its file.
        engine: what ran it.
        drift: from the golden answers; None if it could not be run.
        problem: why it could not, else None.
        ok: whether it ran and drifts by no more than the manifest's tolerance.
    """

    graph: str
    engine: Provider
    drift: GoldenDrift | None
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


def verify(paths: Sequence[Path], open_engine: OpenEngine) -> Verification:
    """Check the files of bundles and run their golden inputs on every engine there is.

    Args:
        paths: bundles, or folders that hold some; at least one.
        open_engine: see there.

    Raises:
        BundleError: a path holds no bundle at all.
    """
    absent: dict[Provider, str] = {}
    bundles = tuple(_verify_bundle(path, open_engine, absent) for path in _find_bundles(paths))
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
    path: Path, open_engine: OpenEngine, absent: dict[Provider, str]
) -> BundleResult:
    """Verify one bundle; engines found absent are noted and not tried again."""
    try:
        bundle = load_bundle(path)
        check_place(path, bundle.manifest)
    except BundleError as error:
        return BundleResult(path, manifest=None, problem=str(error), runs=(), ok=False)
    runs = []
    for graph in _graphs(bundle.manifest):
        for engine in PROVIDERS:
            if engine in absent:
                continue
            try:
                runs.append(_run(bundle, graph, engine, open_engine))
            except ConfigurationError as error:
                absent[engine] = str(error)
    return BundleResult(
        path=path,
        manifest=bundle.manifest,
        problem=None if runs else "no engine of this host could run it",
        runs=tuple(runs),
        ok=bool(runs) and all(run.ok for run in runs),
    )


def _graphs(manifest: Manifest) -> Sequence[str]:
    """The bundle's graphs, the reference first."""
    return sorted(
        (name for name in manifest.files if name.endswith(".onnx")),
        key=lambda name: (name != MODEL, name),
    )


def _run(bundle: Bundle, graph: str, engine: Provider, open_engine: OpenEngine) -> GraphRun:
    try:
        with closing(open_engine(bundle.path / graph, engine)) as opened:
            drift = measure_golden(opened, bundle)
    except ConfigurationError:
        raise
    except TaktError as error:
        return GraphRun(graph, engine, drift=None, problem=_reason(error), ok=False)
    return GraphRun(graph, engine, drift, problem=None, ok=drift.within(bundle.manifest.tolerance))


def _reason(error: TaktError) -> str:
    """What went wrong; an engine's error leaves the runtime's own words to a log."""
    if isinstance(error, EngineError) and error.__cause__ is not None:
        words = str(error.__cause__).strip().splitlines() or [type(error.__cause__).__name__]
        return f"the engine failed on the golden inputs: {words[0]}"
    return str(error)
