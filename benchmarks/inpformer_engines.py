"""INP-Former-S on the engines of a CPU: images/s beside ONNX Runtime in float32, and the limit.

    python -m benchmarks.inpformer_engines --images examples/pictures/good

Random weights: the times say something, the answers nothing; `takt export openvino` tells the drift
of a trained model. All candidates take turns. The limit of a candidate is what this host would
reach if it did each multiply-accumulate at the highest rate that was measured for its precision,
right before and after, and nothing else; attention's products, for one, stay out of 8 bits.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.ceilings import Ceiling, count_gmac, measure_ceiling
from benchmarks.graph_forms import a_model
from export.bundling.graph import write_graph
from export.pictures import list_pictures, read_model_input
from export.variants.openvino_int8 import quantize
from service.core.bundles.manifest import Preprocess
from service.core.bundles.variant import Precision
from service.core.domain import Batch
from service.core.engines.base import Engine
from service.core.engines.onnxruntime import OnnxRuntimeEngine
from service.core.engines.openvino import OpenVinoEngine, import_openvino

CORES = os.cpu_count() or 1
BASE = "onnxruntime fp32"
PASSED_ON = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "VariadicSplit")
"""Operations that 8-bit numbers go through as they are."""


@dataclass(frozen=True)
class Work:
    """10⁹ multiply-accumulates of a picture.

    Attributes:
        int8: those in 8 bits.
        rest: the others.
        precision: of the rest.
    """

    int8: float
    rest: float
    precision: Precision

    def limit(self, ceiling: Ceiling) -> float:
        """Images/s at the ceiling."""
        return 1 / (self.int8 / ceiling.int8 + self.rest / ceiling.of(self.precision))


@dataclass(frozen=True)
class Candidate:
    """What is measured: an engine's graph, so many pictures at once, so many threads of each."""

    name: str
    engines: tuple[Engine, ...]
    work: Work


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="Pictures, for 8-bit ranges.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="Of a candidate in a round.")
    given = parser.parse_args()
    model = a_model("inpformer-s")
    height, width = model.input_size
    way = Preprocess(width=width, height=height, resize="area")
    images = [read_model_input(path, way) for path in list_pictures(given.images)[:8]]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        graph = Path(folder) / "model.onnx"
        write_graph(model, graph)
        ir = quantize(graph, model.family, images, Path(folder) / "int8").xml
        candidates = list(_candidates(graph, ir, stack))
        rates: dict[str, list[float]] = {one.name: [] for one in candidates}
        before = measure_ceiling(CORES)
        for _ in range(given.rounds):
            for one in candidates:
                rates[one.name].append(_rate(one.engines, images[0][np.newaxis], given.seconds))
        ceiling = _higher(before, measure_ceiling(CORES))
        _print(candidates, rates, ceiling)


def _candidates(graph: Path, ir: Path, stack: ExitStack) -> Iterator[Candidate]:
    gmac = count_gmac(graph)
    in_8_bits = _gmac_in_8_bits(ir)
    for pictures, threads in ((1, CORES), (CORES, 1)):
        layout = f"{pictures} x {threads}"
        sessions = tuple(
            stack.enter_context(closing(OnnxRuntimeEngine.open(graph, threads=threads)))
            for _ in range(pictures)
        )
        yield Candidate(f"{BASE}, {layout}", sessions, Work(0, gmac, "fp32"))
        kinds: tuple[tuple[Path, Precision, Precision], ...] = (
            (graph, "fp32", "fp32"),
            (graph, "bf16", "bf16"),
            (ir, "int8", "fp32"),
            (ir, "int8", "bf16"),
        )
        for path, precision, rest in kinds:
            engine = stack.enter_context(
                closing(
                    OpenVinoEngine.open(
                        path, precision=precision, rest=rest, streams=pictures, threads=threads
                    )
                )
            )
            label = f"int8, rest {rest}" if precision == "int8" else precision
            of_8_bits = in_8_bits if precision == "int8" else 0.0
            work = Work(of_8_bits, gmac - of_8_bits, rest)
            yield Candidate(f"openvino {label}, {layout}", (engine,) * pictures, work)


def _gmac_in_8_bits(ir: Path) -> float:
    """Of the layers whose input is quantised."""
    core = import_openvino().Core()
    macs = 0
    for node in core.read_model(ir).get_ordered_ops():
        if node.get_type_name() not in ("Convolution", "MatMul"):
            continue
        source = node.input(0).get_source_output().get_node()
        while source.get_type_name() in PASSED_ON:
            source = source.input(0).get_source_output().get_node()
        if source.get_type_name() != "FakeQuantize":
            continue
        size = int(np.prod(node.output(0).get_shape()))
        if node.get_type_name() == "Convolution":
            macs += size * int(np.prod(node.input(1).get_shape()[1:]))
        else:
            axis = -2 if node.get_attributes()["transpose_a"] else -1
            macs += size * int(node.input(0).get_shape()[axis])
    return macs / 1e9


def _rate(engines: tuple[Engine, ...], image: Batch, seconds: float) -> float:
    """Images/s of as many threads as there are engines."""
    counts = [0] * len(engines)
    engines[0].infer(image)
    started_s = time.perf_counter()

    def work(index: int) -> None:
        while time.perf_counter() < started_s + seconds:
            engines[index].infer(image)
            counts[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(engines))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started_s)


def _higher(one: Ceiling, other: Ceiling) -> Ceiling:
    return Ceiling(
        fp32=max(one.fp32, other.fp32),
        bf16=max(one.bf16, other.bf16),
        int8=max(one.int8, other.int8),
    )


def _print(candidates: list[Candidate], rates: dict[str, list[float]], ceiling: Ceiling) -> None:
    """Ratios are medians over rounds, each to the better of the base's layouts in its round."""
    bases = [rates[one.name] for one in candidates if one.name.startswith(BASE)]
    base = np.max(bases, axis=0)
    print(
        f"ceilings in GMAC/s on {CORES} threads: fp32 {ceiling.fp32:.0f}, "
        f"bf16 {ceiling.bf16:.0f}, int8 {ceiling.int8:.0f}\n"
    )
    print("| engine, pictures x threads | images/s | x " + BASE + " | of its limit | in 8 bits |")
    print("|---|---|---|---|---|")
    for one in candidates:
        median = float(np.median(rates[one.name]))
        ratio = float(np.median(np.array(rates[one.name]) / base))
        work = one.work
        print(
            f"| {one.name} | {median:.2f} | {ratio:.2f} | {median / work.limit(ceiling):.0%} "
            f"of {work.limit(ceiling):.1f}/s | {work.int8 / (work.int8 + work.rest):.0%} |"
        )


if __name__ == "__main__":
    main()
