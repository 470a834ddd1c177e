from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.bundles.bundle import (
    GOLDEN,
    LAYERS,
    MANIFEST,
    MODEL,
    Bundle,
    Calibration,
    Golden,
)
from takt.core.bundles.manifest import Drift, Manifest, MapSpec, Preprocess, Thresholds
from takt.core.bundles.variant import GoldenBounds, Provider, Variant, VariantDrift
from takt.core.bundles.writing import add_variant, save_bundle
from takt.core.engines.base import Engine, EngineOutput
from takt.core.engines.layers import record_layers
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.engines.opener import engine_opener
from takt.core.engines.options import EngineOptions
from takt.core.engines.provider_options import PROVIDERS
from takt.core.errors import BundleError, ConfigurationError, EngineError
from takt_export.evaluation.verify import AbsentEngine, OpenGraph, verify
from tests.branches import NODES, write_branches
from tests.branches import SIDE as BRANCHES_SIDE
from tests.manifests import rewrite_manifest

MakeBundle = Callable[..., Bundle]


class Brightness:
    """Answers as the bundle's graph does, with something added in batches of several."""

    description = "brightness"

    def __init__(self, skew: float = 0.0) -> None:
        self._skew = np.float32(skew)
        self.closed = False

    def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
        anomaly_map = (images.mean(axis=-1) / 255).astype(np.float32)
        score = anomaly_map.max(axis=(1, 2))
        return EngineOutput(anomaly_map, score + self._skew if len(images) > 1 else score)

    def close(self) -> None:
        self.closed = True


class Broken(Brightness):
    """Fails on every batch, as ONNX Runtime does."""

    def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
        raise EngineError("the service's log says why") from RuntimeError("no memory\nat all")


def only(**engines: Engine) -> OpenGraph:
    """A host that has these engines."""

    def open_graph(graph: Path, provider: Provider) -> Engine:
        if provider not in engines:
            raise ConfigurationError(f"this host has no {provider}")
        return engines[provider]

    return open_graph


def no_variant(bundle: Bundle, name: str) -> Engine:
    """Of bundles that have none."""
    raise AssertionError(f"{bundle.path} has a variant {name}")


def on_cpu(graph: Path, provider: Provider) -> Engine:
    """This host's CPU, and nothing else."""
    if provider != "cpu":
        raise ConfigurationError(f"this host has no {provider}")
    return OnnxRuntimeEngine.open(graph, threads=1)


def test_a_bundle_that_answers_as_trained_is_ok(bundle: Bundle) -> None:
    result = verify([bundle.path], on_cpu, no_variant)
    assert result.ok
    (checked,) = result.bundles
    assert (checked.path, checked.problem, checked.ok) == (bundle.path, None, True)
    assert checked.manifest == bundle.manifest
    (run,) = checked.runs
    assert (run.graph, run.engine, run.problem, run.ok) == (MODEL, "cpu", None, True)
    assert run.drift is not None
    assert [batch.batch_size for batch in run.drift.batches] == [1, 3]
    assert all(batch.score < 1e-6 for batch in run.drift.batches)


def test_engines_that_this_host_lacks_are_told_and_are_no_failures(bundle: Bundle) -> None:
    result = verify([bundle.path], only(cpu=Brightness()), no_variant)
    assert result.ok
    assert result.absent == (
        AbsentEngine("cuda", "this host has no cuda"),
        AbsentEngine("tensorrt", "this host has no tensorrt"),
    )


def test_an_absent_engine_is_not_tried_for_every_bundle(make_bundle: MakeBundle) -> None:
    paths = [make_bundle(version=version).path for version in "12"]
    tried: list[Provider] = []
    present = only(cpu=Brightness())

    def open_graph(graph: Path, provider: Provider) -> Engine:
        tried.append(provider)
        return present(graph, provider)

    assert verify(paths, open_graph, no_variant).ok
    assert tried == ["cpu", "cuda", "tensorrt", "cpu"]


def test_a_host_without_any_engine_verifies_nothing(make_bundle: MakeBundle) -> None:
    result = verify([make_bundle(version=version).path for version in "12"], only(), no_variant)
    assert not result.ok
    assert [absent.engine for absent in result.absent] == list(PROVIDERS)
    assert {one.problem for one in result.bundles} == {"no engine of this host could run it"}


def test_an_engine_that_drifts_only_in_batches_is_found_out(bundle: Bundle) -> None:
    cpu, cuda = Brightness(), Brightness(skew=0.01)
    result = verify([bundle.path], only(cpu=cpu, cuda=cuda), no_variant)
    assert not result.ok
    (checked,) = result.bundles
    assert [(run.engine, run.ok) for run in checked.runs] == [("cpu", True), ("cuda", False)]
    drift = checked.runs[1].drift
    assert drift is not None and drift.together is not None
    assert drift.alone.score == 0.0
    assert drift.together.score == pytest.approx(0.01, rel=1e-3)
    assert cpu.closed and cuda.closed


def test_a_graph_that_is_not_the_trained_model_drifts(make_bundle: MakeBundle) -> None:
    result = verify([make_bundle(scale=1.01).path], on_cpu, no_variant)
    (run,) = result.bundles[0].runs
    assert not run.ok
    assert run.drift is not None
    assert 0.005 < run.drift.alone.score < 0.011


def branches(folder: Path, wrong: dict[str, float], *, recorded: bool = True) -> Bundle:
    """A bundle whose graph has wrong layers; what they answered when they were right is kept."""
    right = write_branches(folder / "right.onnx")
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (2, BRANCHES_SIDE, BRANCHES_SIDE, 3), dtype=np.uint8)
    with closing(OnnxRuntimeEngine.open(right, threads=1)) as engine:
        answers = engine.infer(images)
    good, none = np.linspace(0.1, 0.49, 40, dtype=np.float32), np.zeros(0, np.float32)

    def manifest(files: dict[str, str]) -> Manifest:
        return Manifest(
            name="branches",
            version="1",
            family="branches",
            variant="tiny",
            framework="tests",
            preprocess=Preprocess(width=BRANCHES_SIDE, height=BRANCHES_SIDE, resize="area"),
            map=MapSpec(width=BRANCHES_SIDE, height=BRANCHES_SIDE, low=0),
            thresholds=Thresholds(image=0.5, pixel=0.5, method="by hand", good_count=40),
            drift=Drift(pictures=2, score=0, anomaly_map=0),
            tolerance=1e-5 * float(answers.anomaly_map.max()),
            made_with={},
            created_at="2026-01-01T00:00:00Z",
            files=files,
        )

    return save_bundle(
        folder / "branches" / "1",
        Golden(images, answers.anomaly_map, answers.score),
        Calibration(good, good, none, none),
        lambda path: write_branches(path, wrong),
        manifest,
        {LAYERS: record_layers(right, images[0], NODES).to_bytes()} if recorded else {},
    )


@pytest.mark.parametrize("layers", [("a.conv1",), ("b.conv1", "a.conv2")])
def test_the_layer_where_a_graph_begins_to_drift_is_named_as_at_loading(
    tmp_path: Path, layers: tuple[str, ...]
) -> None:
    bundle = branches(tmp_path, dict.fromkeys(layers, 1.001))
    opened = engine_opener(EngineOptions(engine_threads=1))(bundle)
    (run,) = verify([bundle.path], on_cpu, no_variant).bundles[0].runs
    with closing(opened.engine):
        assert opened.drifting_layers(bundle) == run.layers
    assert not run.ok
    # Of several, the first in the graph's order.
    assert run.layers == (min(layers),)


def test_without_a_record_no_layer_is_named(tmp_path: Path) -> None:
    bundle = branches(tmp_path, {"a.conv1": 1.001}, recorded=False)
    (run,) = verify([bundle.path], on_cpu, no_variant).bundles[0].runs
    assert (run.ok, run.layers) == (False, ())


def test_an_engine_that_fails_is_a_problem_in_the_runtime_s_own_words(bundle: Bundle) -> None:
    broken = Broken()
    result = verify([bundle.path], only(cpu=Brightness(), tensorrt=broken), no_variant)
    assert not result.ok
    run = result.bundles[0].runs[-1]
    assert (run.engine, run.drift, run.ok) == ("tensorrt", None, False)
    assert run.problem == "the engine failed on the golden inputs: no memory"
    assert broken.closed


def test_a_damaged_bundle_is_reported_and_the_others_are_verified(make_bundle: MakeBundle) -> None:
    damaged, whole = make_bundle("a"), make_bundle("b")
    golden = bytearray((damaged.path / GOLDEN).read_bytes())
    golden[100] ^= 1
    (damaged.path / GOLDEN).write_bytes(golden)
    result = verify([damaged.path, whole.path], on_cpu, no_variant)
    assert not result.ok
    assert [one.ok for one in result.bundles] == [False, True]
    assert result.bundles[0].manifest is None
    assert "is not the file that was exported" in str(result.bundles[0].problem)


@pytest.mark.parametrize("lost", [MANIFEST, MODEL, GOLDEN])
def test_a_bundle_that_lost_a_file_is_reported(
    make_bundle: MakeBundle, repository: Path, lost: str
) -> None:
    (make_bundle("a").path / lost).unlink()
    make_bundle("b")
    result = verify([repository], on_cpu, no_variant)
    assert [one.ok for one in result.bundles] == [False, True]
    assert lost in str(result.bundles[0].problem)


def test_a_graph_that_no_engine_can_read_is_a_problem(bundle: Bundle) -> None:
    add_graph(bundle, "model_fp16.onnx", b"no graph")
    result = verify([bundle.path], on_cpu, no_variant)
    assert not result.ok
    reference, variant = result.bundles[0].runs
    assert reference.ok
    assert variant.graph == "model_fp16.onnx"
    assert "cannot be loaded" in str(variant.problem)


def test_every_graph_of_a_bundle_is_run_the_reference_first(bundle: Bundle) -> None:
    graph = bundle.model_path.read_bytes()
    add_graph(bundle, "a.onnx", graph)
    add_graph(bundle, "z.onnx", graph)
    result = verify([bundle.path], on_cpu, no_variant)
    assert result.ok
    assert [run.graph for run in result.bundles[0].runs] == [MODEL, "a.onnx", "z.onnx"]


def test_a_repository_stands_for_all_its_bundles_once(
    make_bundle: MakeBundle, repository: Path
) -> None:
    first, second = make_bundle("a", "1").path, make_bundle("a", "2").path
    third = make_bundle("b", "1").path
    shutil.copytree(first, repository / "a" / ".3-cut-off")
    open_graph = only(cpu=Brightness())

    def found(*paths: Path) -> list[Path]:
        return [one.path for one in verify(paths, open_graph, no_variant).bundles]

    assert found(repository) == [first, second, third]
    assert found(third, repository) == [third, first, second]
    assert found(repository / "a", repository / "a" / ".." / "a" / "2") == [first, second]


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_bundles_is_refused(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "empty"
    if exists:
        folder.mkdir()
    with pytest.raises(BundleError, match=r"empty holds no bundle; name one"):
        verify([folder], on_cpu, no_variant)


def test_a_pipe_in_place_of_a_file_is_a_problem_and_keeps_nobody_waiting(bundle: Bundle) -> None:
    (bundle.path / GOLDEN).unlink()
    os.mkfifo(bundle.path / GOLDEN)
    (result,) = verify([bundle.path], on_cpu, no_variant).bundles
    assert not result.ok
    assert result.problem is not None
    assert "golden.npz cannot be read: it is no regular file" in result.problem


def add_graph(bundle: Bundle, name: str, graph: bytes) -> None:
    (bundle.path / name).write_bytes(graph)
    digest = hashlib.sha256(graph).hexdigest()
    rewrite_manifest(bundle.path, lambda manifest: manifest["files"].update({name: digest}))


def test_a_copied_bundle_is_no_bundle_that_the_service_would_serve(bundle: Bundle) -> None:
    elsewhere = bundle.path.with_name("2")
    shutil.copytree(bundle.path, elsewhere)
    (result,) = verify([elsewhere], on_cpu, no_variant).bundles
    assert not result.ok
    assert result.problem is not None
    assert "move it to <repository>/parts/1" in result.problem


def with_variant(bundle: Bundle, bounds: GoldenBounds) -> Bundle:
    """The bundle with a variant that is the reference graph again, within these bounds."""
    variant = Variant(
        name="openvino-fp32",
        engine="openvino",
        precision="fp32",
        model=MODEL,
        drift=VariantDrift(
            pictures=1, score=0, score_spans=0, anomaly_map=0, map_spans=0, turned=0
        ),
        bounds=bounds,
        made_with={},
        created_at="2026-01-01T00:00:00+00:00",
    )
    return add_variant(bundle, variant, {})


@pytest.mark.parametrize("bound, ok", [(0.02, True), (0.005, False)])
def test_a_variant_is_held_to_bounds_of_its_own(bundle: Bundle, bound: float, ok: bool) -> None:
    asked = []

    def open_variant(bundle: Bundle, name: str) -> Engine:
        asked.append(name)
        return Brightness(skew=0.01)

    bounds = GoldenBounds(score=bound, anomaly_map=0.005)
    result = verify([with_variant(bundle, bounds).path], on_cpu, open_variant)
    reference, variant = result.bundles[0].runs
    assert asked == ["openvino-fp32"]
    assert (reference.engine, reference.ok) == ("cpu", True)
    assert (variant.engine, variant.bounds, variant.ok) == ("openvino-fp32", bounds, ok)
    assert result.ok is ok


def test_a_variant_whose_engine_is_missing_is_told_and_is_no_failure(bundle: Bundle) -> None:
    def absent(bundle: Bundle, name: str) -> Engine:
        raise ConfigurationError("OpenVINO is not installed")

    bounds = GoldenBounds(score=1, anomaly_map=1)
    result = verify([with_variant(bundle, bounds).path], on_cpu, absent)
    assert result.ok
    assert result.absent[-1].engine == "openvino-fp32"
    assert result.absent[-1].reason == "OpenVINO is not installed"
