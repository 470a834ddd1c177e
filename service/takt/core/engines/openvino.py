"""OpenVINO as an engine: Intel's and AMD's CPUs at float32, bfloat16 or 8 bits."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from takt.core.bundles.bundle import INPUT, OUTPUTS
from takt.core.bundles.variant import Precision
from takt.core.distribution import import_installed
from takt.core.domain import Batch
from takt.core.engines.base import EngineOutput, Port, check_signature
from takt.core.engines.failures import failure_of
from takt.core.engines.options import EngineOptions, EnginePlan
from takt.core.engines.provider_check import first_line
from takt.core.errors import BundleError

Result = TypeVar("Result")

_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
"""OpenVINO's names of precisions; a CPU without bfloat16 computes in float32 instead."""


class OpenVinoEngine:
    """One compiled graph with several streams, one picture in each; made by `open`.

    A batch runs picture by picture: on a CPU that takes as long, and a graph that is compiled for
    one picture is faster than a graph for any number.

    >>> from takt.core.bundles.bundle import load_bundle
    >>> bundle = load_bundle(Path("examples/models/pitting/1"))
    >>> engine = OpenVinoEngine.open(bundle.model_path)
    >>> engine.infer(bundle.golden.images[:2]).score.shape
    (2,)
    >>> engine.close()
    """

    shareable = True

    def __init__(self, compiled: Any, streams: int, description: str) -> None:
        self._compiled = compiled
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        for _ in range(streams):
            self._idle.put(compiled.create_infer_request())
        self.description = description

    @classmethod
    def open(
        cls,
        model: Path,
        *,
        precision: Precision = "fp32",
        streams: int = 1,
        threads: int = 1,
        rest: Precision = "fp32",
        cache: Path | None = None,
    ) -> OpenVinoEngine:
        """Loads a graph.

        Args:
            model: an ONNX file or OpenVINO IR with the bundle's input and outputs.
            precision: to compute in; int8 is a property of the graph.
            streams: pictures that run at the same time.
            threads: CPU threads of each stream.
            rest: precision of what an 8-bit graph does not compute in 8 bits.
            cache: folder for compiled graphs, which make the next start quick.

        Raises:
            ConfigurationError: OpenVINO is not installed.
            BundleError: the file is no such graph.
        """
        core = new_core()
        properties = {
            "INFERENCE_PRECISION_HINT": precision_hint(precision, rest),
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": str(streams * threads),
            # The event loop and the decoding share these cores: the system places threads better.
            "ENABLE_CPU_PINNING": "NO",
        }
        if cache is not None:
            properties["CACHE_DIR"] = str(cache)
        try:
            graph = core.read_model(model)
            inputs, outputs = _ports(graph.inputs), _ports(graph.outputs)
            check_signature(model, inputs, outputs, uint8="u8", float32="f32")
            take_one_picture(graph)
            compiled = core.compile_model(graph, "CPU", properties)
        except BundleError:
            raise
        except Exception as error:
            raise BundleError(f"{model} cannot be loaded: {first_line(error)}") from error
        computes = precision if rest == "fp32" else f"{precision} and {rest}"
        description = f"openvino CPU {computes}, {streams} streams of {threads} threads"
        return cls(compiled, streams, description)

    def infer(self, images: Batch) -> EngineOutput:
        """Runs a batch, images [N,H,W,3] RGB; each stream may be used by one thread."""
        request = self._idle.get()
        try:
            answers = [self._run(request, image[np.newaxis]) for image in images]
        except Exception as error:
            raise failure_of(error) from error
        finally:
            self._idle.put(request)
        return answers[0] if len(answers) == 1 else EngineOutput.join(answers)

    def trim(self) -> None:
        """Does nothing: each stream has the memory of one picture."""

    def close(self) -> None:
        """Drops the compiled graph, which frees its memory and threads."""
        self._idle = queue.LifoQueue()
        self._compiled = None

    @staticmethod
    def _run(request: Any, image: Batch) -> EngineOutput:
        request.infer({INPUT: image}, share_inputs=True)
        # Copies: the request's own memory is written to by its next run.
        anomaly_map, score = (request.get_tensor(name).data.copy() for name in OUTPUTS)
        return EngineOutput(anomaly_map, score)


def precision_hint(precision: Precision, rest: Precision = "fp32") -> str:
    """OpenVINO's name of the precision for what the graph itself leaves open.

    Args:
        precision: of the graph.
        rest: precision of what an 8-bit graph does not compute in 8 bits.
    """
    return _HINTS[rest if precision == "int8" else precision]


def take_one_picture(graph: Any) -> None:
    """Changes a graph that takes any number of pictures to one that takes a single one."""
    height, width, channels = (
        graph.input(INPUT).get_partial_shape()[axis].get_length() for axis in (1, 2, 3)
    )
    graph.reshape({INPUT: [1, height, width, channels]})


def import_openvino() -> ModuleType:
    """Imports the package.

    Raises:
        ConfigurationError: it is not installed.
    """
    return import_installed("openvino", "OpenVINO", "openvino")


def new_core() -> Any:
    """What reads and compiles graphs.

    Raises:
        ConfigurationError: OpenVINO is not installed.
    """
    core = import_openvino().Core()
    apart(lambda: core.get_property("CPU", "FULL_DEVICE_NAME"))
    return core


def apart(work: Callable[[], Result]) -> Result:
    """Does something that loads OpenVINO's CPU plugin, on a thread that ends with it.

    The plugin gives the thread that loads it another stack for signals, and unmaps that where it
    is dropped, on any thread. The next signal to a thread that has lost its stack so, such as
    Ctrl-C, would end the process without a word.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="openvino") as own:
        return own.submit(work).result()


def _ports(ports: Sequence[Any]) -> list[Port]:
    """Name and type of each port; of a port with several names, the bundle's own."""
    named = [(set(port.names), port.element_type.to_string()) for port in ports]
    return [(min(names & {INPUT, *OUTPUTS} or names), kind) for names, kind in named]


def open_openvino(plan: EnginePlan, options: EngineOptions) -> OpenVinoEngine:
    """Opens an engine of OpenVINO by a plan."""
    return OpenVinoEngine.open(
        plan.model,
        precision=plan.precision,
        rest=plan.variant.rest if plan.variant else "fp32",
        streams=plan.instances,
        threads=plan.threads,
        cache=options.engine_cache,
    )
