"""What a head costs each picture: graphs of one bank without a head and with heads, in turns.

    python -m benchmarks.patchcore.head_speed [--directions 20 64] [--rounds 200] [--side 320]

The weights are random, as times do not hang on them; the bank has the usual size. One picture at a
time on one thread, by ONNX Runtime and by OpenVINO. The times are the processor's, which other work
on the machine disturbs less than a clock's.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from benchmarks.corpus.speed import WARM_UP, EngineName, opened, write_for_timing
from benchmarks.corpus.table import markdown
from families.patchcore.scaled_head import with_head
from models.fit.patchcore.folds import bank_sizes
from models.fit.patchcore.options import PatchCoreOptions
from models.patchcore.config import PatchCoreConfig
from models.patchcore.detector import PatchCore
from models.patchcore.head import DefectHead

MOST_MS = 1.0
"""Most that a head may cost."""


@dataclass(frozen=True)
class Cost:
    """A head's cost on one engine.

    Attributes:
        engine: name of it.
        directions: of the head.
        without_ms: median time of a picture without it.
        with_ms: median time with it.
    """

    engine: EngineName
    directions: int
    without_ms: float
    with_ms: float

    @property
    def row(self) -> list[str]:
        """A row of the table."""
        more = self.with_ms - self.without_ms
        return [
            self.engine,
            str(self.directions),
            f"{self.without_ms:.2f}",
            f"{self.with_ms:.2f}",
            f"{more:+.2f}",
            "met" if more <= MOST_MS else "MISSED",
        ]


def a_bank(side: int) -> PatchCore:
    """A PatchCore of the usual size with random weights, for square pictures."""
    config = PatchCoreConfig((1, 1), width=side, height=side)
    sizes = bank_sizes(PatchCoreOptions().bank_size, PatchCore(config))
    model = PatchCore(replace(config, bank_sizes=sizes)).eval()
    for bank in model.banks:
        bank.vectors.data = torch.randn_like(bank.vectors).half().float()
    return model


def a_head(model: PatchCore, directions: int) -> PatchCore:
    """The model with a random head."""
    head = DefectHead(directions, sum(model.encoder.channels), model.grids[-1])
    head.directions.copy_(torch.randn_like(head.directions))
    return with_head(model, head)


def costs(
    side: int, directions: Sequence[int], rounds: int, engine: EngineName, folder: Path
) -> list[Cost]:
    """The cost of each head on an engine; graphs take turns picture by picture."""
    torch.manual_seed(0)
    bank = a_bank(side)
    noise = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    with ExitStack() as stack:
        graphs = []
        for number, model in enumerate([bank, *(a_head(bank, one) for one in directions)]):
            path = folder / f"{engine}-{number}.onnx"
            write_for_timing(model, path)
            graphs.append(stack.enter_context(closing(opened(path, engine))))
        times_ms: list[list[float]] = [[] for _ in graphs]
        for _ in range(WARM_UP + rounds):
            for graph, of_graph in zip(graphs, times_ms, strict=True):
                started_s = time.process_time()
                graph.infer(noise)
                of_graph.append(1000 * (time.process_time() - started_s))
    without_ms, *with_ms = (statistics.median(one[WARM_UP:]) for one in times_ms)
    return [
        Cost(engine, count, without_ms, one) for count, one in zip(directions, with_ms, strict=True)
    ]


def main() -> None:
    """Measure on both engines, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directions", nargs="+", type=int, default=[20, 64])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--side", type=int, default=320)
    given = parser.parse_args()
    head = ["engine", "directions", "without, ms", "with, ms", "more", f"bar {MOST_MS:g} ms"]
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            cost.row
            for engine in get_args(EngineName)
            for cost in costs(given.side, given.directions, given.rounds, engine, Path(folder))
        ]
    print(markdown(head, rows))


if __name__ == "__main__":
    main()
