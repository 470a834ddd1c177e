"""What each rewriting of a model's graph brings on one thread of a CPU.

    python -m benchmarks.graph efficientad-s --rounds 15
    python -m benchmarks.graph inpformer-s --engines openvino
    python -m benchmarks.graph efficientad-s --engines openvino-int8

Random weights, one picture of noise. Forms take turns, and each time is the processor time that a
run took, so that other work on the machine disturbs it less; ratios are medians over rounds, of a
form's time to that of the first form in the same round. `openvino-int8` quantises each form with a
few pictures of noise: its times say something, its answers nothing. The forms of onnxslim and
onnxsim are there if those are installed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from benchmarks.graph_forms import EXPORTED, a_model, forms_of
from export.bundling import graph as exporter
from export.bundling.graph import ImagesToAnswer
from export.variants.openvino_int8 import quantize
from models.detector import Detector
from service.core.bundles.bundle import OUTPUTS
from service.core.engines.base import Engine
from service.core.engines.onnxruntime import OnnxRuntimeEngine
from service.core.engines.openvino import OpenVinoEngine

ENGINES = ("onnxruntime", "openvino", "openvino-int8")
NOISE_PICTURES = 4


@dataclass(frozen=True)
class Form:
    """A graph of a model.

    Attributes:
        name: in the table.
        path: of its file.
        nodes: of the file; engines have fewer once they have loaded it.
    """

    name: str
    path: Path
    nodes: int


@dataclass
class Timed:
    """A form on an engine.

    Attributes:
        form: what runs.
        engine: on which.
        load_ms: to open it.
        anomaly_map: that it answered.
        times_ms: of its runs, processor time.
    """

    form: Form
    engine: Engine
    load_ms: float
    anomaly_map: NDArray[np.float32]
    times_ms: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=["efficientad-s", "efficientad-m", "inpformer-s"])
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES[:2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--forms", nargs="+", help="Only those whose names hold any of these.")
    given = parser.parse_args()
    model = a_model(given.model)
    height, width = model.input_size
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = ImagesToAnswer(model)(torch.from_numpy(image))[0].numpy()
    with tempfile.TemporaryDirectory() as folder:
        forms = [
            form
            for form in written(model, Path(folder))
            if not given.forms or any(part in form.name for part in given.forms)
        ]
        for engine in given.engines:
            print(f"\n{given.model}, {engine}\n")
            print("| form | ms | ratio | nodes | load ms | MB | map differs by |")
            print("|---|---|---|---|---|---|---|")
            for timed in measured(forms, engine, model.family, image, given.rounds):
                print(line(timed, expected))


def measured(
    forms: list[Form], engine: str, family: str, image: NDArray[np.uint8], rounds: int
) -> Iterator[tuple[Timed, float]]:
    """Run the forms by turns; each with its ratio to the first."""
    with ExitStack() as stack:
        timed = []
        for form in forms:
            path = form.path if engine != "openvino-int8" else in_8_bits(form, family, image)
            started_s = time.perf_counter()
            opened = stack.enter_context(closing(open_engine(engine, path)))
            load_ms = (time.perf_counter() - started_s) * 1000
            timed.append(Timed(form, opened, load_ms, opened.infer(image).anomaly_map))
        for turn in range(rounds):
            for one in timed if turn % 2 else timed[::-1]:
                started_s = time.process_time()
                one.engine.infer(image)
                one.times_ms.append((time.process_time() - started_s) * 1000)
        base = timed[0].times_ms
        for one in timed:
            ratios = [ours / theirs for ours, theirs in zip(one.times_ms, base, strict=True)]
            yield one, statistics.median(ratios)


def line(measurement: tuple[Timed, float], expected: NDArray[np.float32]) -> str:
    """A row of the table."""
    timed, ratio = measurement
    same = timed.anomaly_map.shape == expected.shape
    differs = f"{np.abs(timed.anomaly_map - expected).max():.1e}" if same else "–"
    return (
        f"| {timed.form.name} | {statistics.median(timed.times_ms):.1f} | {ratio:.3f} "
        f"| {timed.form.nodes} | {timed.load_ms:.0f} "
        f"| {timed.form.path.stat().st_size / 1e6:.1f} | {differs} |"
    )


def open_engine(engine: str, path: Path) -> Engine:
    """One session on one thread."""
    if engine == "onnxruntime":
        return OnnxRuntimeEngine.open(path, threads=1)
    return OpenVinoEngine.open(path, precision="int8" if engine.endswith("int8") else "fp32")


def in_8_bits(form: Form, family: str, image: NDArray[np.uint8]) -> Path:
    """The form quantised with noise."""
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (NOISE_PICTURES, *image.shape[1:]), dtype=np.uint8)
    return quantize(form.path, family, list(noise), form.path.with_suffix(".int8")).xml


def written(model: Detector, folder: Path) -> Iterator[Form]:
    """The graph of each form, in a file."""
    for number, (name, form) in enumerate(forms_of(model).items()):
        path = folder / f"{number}.onnx"
        program = exporter.traced(ImagesToAnswer(form).eval(), model.input_size, OUTPUTS)
        exporter._halve_weights(program)
        onnx.save_model(program, path)
        yield Form(name, path, len(program.graph.node))
        if name != EXPORTED:
            continue
        for tool, simplify in simplifiers():
            simpler = simplify(onnx.load(path))
            onnx.save_model(simpler, folder / f"{tool}.onnx")
            nodes = len(simpler.graph.node)
            yield Form(f"left out: {EXPORTED}, {tool}", folder / f"{tool}.onnx", nodes)


def simplifiers() -> Iterator[tuple[str, Callable[[onnx.ModelProto], onnx.ModelProto]]]:
    """Those that are installed."""
    if find_spec("onnxslim"):
        import onnxslim

        yield "onnxslim", onnxslim.slim
    if find_spec("onnxsim"):
        import onnxsim

        yield "onnxsim", lambda graph: onnxsim.simplify(graph)[0]


if __name__ == "__main__":
    main()
