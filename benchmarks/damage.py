"""What a bundle's checks notice of a graph that was converted wrongly.

    python -m benchmarks.damage BUNDLE [--part first|middle|last] [--graph NAME]

The graph of the bundle and of each variant for the CPU is damaged, one way at a time, and sealed
again, as if it had been exported so: one weight by 1 %, two channels of a layer swapped, a layer
scaled by 0.1, 1 and 10 %; in the layer with most weights of a third of the graph. The table says
how far that moves the golden answers, how far they may move, and what loading and `takt verify`
said. BUNDLE is copied, never changed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from export.evaluation.verify import verify
from service.core.bundles.bundle import MANIFEST, MODEL, Bundle, load_bundle
from service.core.bundles.manifest import Manifest
from service.core.bundles.reading import file_sha256
from service.core.bundles.variant import GoldenBounds, Provider, Variant
from service.core.engines.base import Engine
from service.core.engines.golden import bounds_of, check_golden, measure_golden
from service.core.engines.onnxruntime import OnnxRuntimeEngine
from service.core.engines.opener import engine_opener
from service.core.engines.options import REFERENCE, EngineOptions
from service.core.errors import ConfigurationError, DriftError

Weights = NDArray[Any]
T = TypeVar("T")
Damage = Callable[[Weights], Weights]
"""Changes the weights of a layer, of which the first axis is that of its outputs."""

LEAST_WEIGHTS = 256
PARTS = ("first", "middle", "last")
LAYERS = ("Conv", "Gemm", "MatMul")


def one_weight(weights: Weights) -> Weights:
    """The largest weight 1 % larger, by one step at least."""
    changed = weights.copy()
    where = np.unravel_index(np.abs(weights.astype(np.float32)).argmax(), weights.shape)
    value = float(weights[where])
    if weights.dtype == np.int8:
        changed[where] = value - np.sign(value)
    else:
        changed[where] = 1.01 * value
    return changed


def channels_swapped(weights: Weights) -> Weights:
    """The first two channels in each other's place."""
    changed = weights.copy()
    changed[[0, 1]] = weights[[1, 0]]
    return changed


def scaled(factor: float, weights: Weights) -> Weights:
    """All weights times a factor; whole ones are scaled by their step instead, see `damaged`."""
    return (weights.astype(np.float32) * np.float32(factor)).astype(weights.dtype)


SCALED = {"layer · 1.001": 1.001, "layer · 1.01": 1.01, "layer · 1.1": 1.1}
DAMAGES: dict[str, Damage] = {
    "one weight 1 %": one_weight,
    "two channels swapped": channels_swapped,
    **{name: partial(scaled, factor) for name, factor in SCALED.items()},
}


@dataclass(frozen=True)
class Row:
    """A damaged graph and what was noticed of it.

    Attributes:
        graph: engine or variant that ran it.
        damage: what was changed.
        layer: where, by the name of its weights.
        score: how far the golden scores lie from the trained model's.
        anomaly_map: how far the maps do.
        bounds: how far both may.
        refused: whether loading refuses it.
        named: layers that the refusal names.
        verified: whether `takt verify` calls the bundle good.
        verify_named: layers that it names.
    """

    graph: str
    damage: str
    layer: str
    score: float
    anomaly_map: float
    bounds: GoldenBounds
    refused: bool
    named: str
    verified: bool
    verify_named: str


def damaged(graph: Path, place: int, change: str) -> str:
    """Damage a graph's file in one of its layers.

    Args:
        graph: ONNX or OpenVINO IR, which is written anew.
        place: number of the third of the graph.
        change: one of `DAMAGES`.

    Returns:
        The layer's weights by name.
    """
    damage = _damaged_ir if graph.suffix == ".xml" else _damaged_onnx
    return damage(graph, place, change)


def _damaged_onnx(graph: Path, place: int, change: str) -> str:
    model = onnx.load(graph)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    producer = {name: node for node in model.graph.node for name in node.output}
    found = []
    for node in model.graph.node:
        if node.op_type not in LAYERS:
            continue
        name, scale = node.input[1], ""
        while name in producer:
            if producer[name].op_type == "DequantizeLinear":
                scale = producer[name].input[1]
            name = producer[name].input[0]
        if name in stored and np.prod(stored[name].dims) >= LEAST_WEIGHTS:
            found.append((name, scale, node.op_type))
    name, scale, kind = _placed(found, place, lambda one: int(np.prod(stored[one[0]].dims)))
    target = scale if scale and change in SCALED else name
    weights = numpy_helper.to_array(stored[target])
    # The outputs of a product are its weights' last axis.
    turned = weights.T if kind == "MatMul" and weights.ndim == 2 else weights
    changed = DAMAGES[change](turned)
    back = np.ascontiguousarray(changed.T if turned is not weights else changed)
    stored[target].CopyFrom(numpy_helper.from_array(back, target))
    onnx.save(model, graph)
    return _for_people(name)


def _damaged_ir(graph: Path, place: int, change: str) -> str:
    import openvino
    from openvino import opset13

    model = openvino.Core().read_model(graph)
    found = []
    for node in model.get_ordered_ops():
        if node.get_type_name() not in ("Convolution", "MatMul"):
            continue
        source, scale = node.input(1).get_source_output().get_node(), None
        while source.get_type_name() != "Constant" and source.inputs():
            if source.get_type_name() == "Multiply":
                scale = source.input(1).get_source_output().get_node()
            source = source.input(0).get_source_output().get_node()
        if source.get_type_name() == "Constant" and source.data.size >= LEAST_WEIGHTS:
            found.append((source, scale, node.get_friendly_name()))
    weights, scale, layer = _placed(found, place, lambda one: int(one[0].data.size))
    target = scale if scale is not None and change in SCALED else weights
    changed = opset13.constant(np.ascontiguousarray(DAMAGES[change](np.array(target.data))))
    for port in target.output(0).get_target_inputs():
        port.replace_source_output(changed.output(0))
    # The graph reads its weights from the file that is written.
    written = graph.with_name("damaged.xml")
    openvino.save_model(model, written, compress_to_fp16=False)
    del model
    written.rename(graph)
    written.with_suffix(".bin").rename(graph.with_suffix(".bin"))
    return _for_people(str(layer))


def _for_people(weights: str) -> str:
    """`teacher.conv1` for model.teacher.conv1.weight.float16, as refusals name it."""
    name = weights.partition("/")[0]
    return name.removesuffix(".float16").removesuffix(".weight").removeprefix("model.")


def _placed(found: list[T], place: int, size: Callable[[T], int]) -> T:
    """The largest layer in a part of the graph."""
    first, last = (len(found) * part // len(PARTS) for part in (place, place + 1))
    return max(found[first : max(last, first + 1)], key=size)


def rows(bundle: Bundle, part: str, graph: str | None = None) -> Iterator[Row]:
    """Damage each graph of a bundle in each way; one of them if it is named."""
    variants = [one for one in bundle.manifest.variants if one.provider == "cpu"]
    for variant in (None, *variants):
        if graph not in (None, variant.name if variant else REFERENCE):
            continue
        for change in DAMAGES:
            with tempfile.TemporaryDirectory(prefix="takt-") as folder:
                yield _row(bundle, variant, PARTS.index(part), change, Path(folder))


def _row(bundle: Bundle, variant: Variant | None, place: int, change: str, folder: Path) -> Row:
    manifest = bundle.manifest
    path = folder / manifest.name / manifest.version
    shutil.copytree(bundle.path, path)
    layer = damaged(path / (variant.model if variant else MODEL), place, change)
    _seal(path)
    name = variant.name if variant else REFERENCE
    options = EngineOptions(engine=name, engine_instances=1, engine_threads=1)
    bundle = load_bundle(path)
    opened = engine_opener(options)(bundle)
    with closing(opened.engine):
        batches = measure_golden(opened.engine, bundle).batches
        named: list[str] = []
        refused = False

        def explain() -> Sequence[str]:
            named.extend(opened.drifting_layers(bundle))
            return named

        try:
            check_golden(opened.engine, bundle, variant, explain)
        except DriftError:
            refused = True
    bounds = variant.bounds if variant else bounds_of(manifest.tolerance)

    def open_graph(graph: Path, provider: Provider) -> Engine:
        if variant is not None or provider != "cpu":
            raise ConfigurationError("it is another row's")
        return OnnxRuntimeEngine.open(graph, threads=1)

    def open_variant(bundle: Bundle, wanted: str) -> Engine:
        if wanted != name:
            raise ConfigurationError("it is another row's")
        return engine_opener(options)(bundle).engine

    (checked,) = verify([path], open_graph, open_variant).bundles
    return Row(
        graph=f"{name}, {variant.precision if variant else 'fp32'}",
        damage=change,
        layer=layer,
        score=max(batch.score for batch in batches),
        anomaly_map=max(batch.anomaly_map for batch in batches),
        bounds=bounds,
        refused=refused,
        named=", ".join(named),
        verified=checked.ok,
        verify_named=", ".join(layer for run in checked.runs for layer in run.layers),
    )


def _seal(path: Path) -> None:
    """Bring a manifest in line with the files, as an export would have written it."""
    manifest = load_manifest(path)
    sealed = manifest.model_copy(
        update={
            "files": {name: file_sha256(path / name) for name in manifest.files},
            "sizes": {name: (path / name).stat().st_size for name in manifest.files},
        }
    )
    (path / MANIFEST).write_bytes(sealed.json_bytes())


def load_manifest(path: Path) -> Manifest:
    """The manifest of a bundle whose files are others by now."""
    return Manifest.parse((path / MANIFEST).read_bytes())


def table(found: Iterable[Row]) -> Iterator[str]:
    """Lines in Markdown."""
    yield "| graph | damage | layer | score moves | map moves | allowed | at load | `takt verify` |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in found:
        allowed = f"{row.bounds.score:.1e}"
        if row.bounds.anomaly_map != row.bounds.score:
            allowed += f" / {row.bounds.anomaly_map:.1e}"
        load, checked = (
            "served" if good else f"**refused**, begins at {named or 'no layer that is known'}"
            for good, named in (
                (not row.refused, row.named),
                (row.verified, row.verify_named),
            )
        )
        yield (
            f"| {row.graph} | {row.damage} | {row.layer} | {row.score:.1e} | {row.anomaly_map:.1e} "
            f"| {allowed} | {load} | {checked} |"
        )


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--part", type=click.Choice(PARTS), default="middle", help="Of the graph.")
@click.option("--graph", help="Only this: `onnxruntime` for the reference, or a variant.")
def main(bundle: Path, part: str, graph: str | None) -> None:
    """Damage the graphs of BUNDLE and print what is noticed."""
    for line in table(rows(load_bundle(bundle), part, graph)):
        click.echo(line)


if __name__ == "__main__":
    main()
