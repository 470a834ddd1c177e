"""What this host can multiply at most, and what a graph asks of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS = 5


@dataclass(frozen=True)
class Ceiling:
    """The highest rate of multiply-accumulates that was reached, in 10⁹/s, on all cores."""

    fp32: float
    bf16: float
    int8: float

    def of(self, precision: str) -> float:
        """That of a precision; a CPU computes fp16 as float32."""
        return {"bf16": self.bf16, "int8": self.int8}.get(precision, self.fp32)


def measure_ceiling(threads: int) -> Ceiling:
    """The best of several large convolutions and products through OpenVINO and torch.

    Args:
        threads: to use.
    """
    import openvino
    import torch
    from openvino import opset13 as op

    torch.set_num_threads(threads)
    core = openvino.Core()

    def through_openvino(hint: str, quantized: bool) -> float:
        """A chain of 3 × 3 convolutions that stays in the caches."""
        best = 0.0
        for channels, side in ((128, 64), (256, 64), (512, 32)):
            image = op.parameter([1, channels, side, side], np.float32)
            x, macs = image, 0
            for _ in range(5):
                weights = op.constant(
                    np.random.default_rng(0)
                    .standard_normal((channels, channels, 3, 3))
                    .astype(np.float32)
                )
                if quantized:
                    x = _levels(op, op.relu(x), 0, 1000, 256)
                    weights = _levels(op, weights, -4, 4 * 127 / 128, 256)
                x = op.convolution(x, weights, [1, 1], [1, 1], [1, 1], [1, 1])
                macs += side * side * channels * channels * 9
            model = openvino.Model([op.reduce_max(x, op.constant([2, 3]), False)], [image])
            request = core.compile_model(
                model,
                "CPU",
                {
                    "INFERENCE_NUM_THREADS": threads,
                    "NUM_STREAMS": 1,
                    "INFERENCE_PRECISION_HINT": hint,
                },
            ).create_infer_request()
            pixels = np.random.default_rng(1).random((1, channels, side, side), np.float32)
            seconds = _fastest(lambda: request.infer({0: pixels}, share_inputs=True))  # noqa: B023
            best = max(best, macs / seconds / 1e9)
        return best

    def through_torch(kind: torch.dtype) -> float:
        side = 2048
        a, b = (torch.randn(side, side).to(kind) for _ in range(2))
        return side**3 / _fastest(lambda: a @ b) / 1e9

    return Ceiling(
        fp32=max(through_openvino("f32", False), through_torch(torch.float32)),
        bf16=max(through_openvino("bf16", False), through_torch(torch.bfloat16)),
        int8=through_openvino("f32", True),
    )


def count_gmac(model: Path) -> float:
    """10⁹ multiply-accumulates of a graph's convolutions and matrix products, for one picture."""
    import openvino

    graph = openvino.Core().read_model(model)
    sides = [graph.input(0).get_partial_shape()[axis].get_length() for axis in (1, 2, 3)]
    graph.reshape([1, *sides])
    macs = 0
    for node in graph.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Convolution":
            weights = node.input(1).get_shape()
            macs += int(np.prod(node.output(0).get_shape())) * int(np.prod(weights[1:]))
        elif kind == "MatMul":
            first = node.input(0).get_shape()
            inner = first[-2] if node.get_attributes()["transpose_a"] else first[-1]
            macs += int(np.prod(node.output(0).get_shape())) * int(inner)
    return macs / 1e9


def _levels(op: Any, x: Any, low: float, high: float, levels: int) -> Any:
    bounds = (np.float32(low), np.float32(high))
    return op.fake_quantize(x, *bounds, *bounds, levels)


def _fastest(run: Callable[[], object]) -> float:
    run()
    times = []
    for _ in range(ROUNDS):
        started_s, count = time.perf_counter(), 0
        while time.perf_counter() - started_s < 0.2:
            run()
            count += 1
        times.append((time.perf_counter() - started_s) / count)
    return min(times)
