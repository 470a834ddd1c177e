"""What a large bank of anomalib's recipe costs: time and memory of its graph, by batch.

    python -m benchmarks.patchcore.large_bank [--vectors 16000] [--backbone wide_resnet50_2] \
        [--side 224] [--batches 1 4 8]

The weights and the vectors are of chance, which changes neither. ONNX Runtime on one thread.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

MIB = 2**20


def main() -> None:
    """Write the graph in a process of its own, run it in this one, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=int, default=16_000)
    parser.add_argument("--backbone", default="wide_resnet50_2")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write is not None:
        write(given.write, given.backbone, given.vectors, given.side)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        command = [sys.executable, "-m", "benchmarks.patchcore.large_bank", *sys.argv[1:]]
        subprocess.run([*command, "--write", str(path)], check=True)
        print(f"file {path.stat().st_size / MIB:.0f} MiB")
        measure(path, given.side, given.batches)


def write(path: Path, backbone: str, vectors: int, side: int) -> None:
    """Write the graph of a model of chance."""
    import torch

    from export.bundling.graph import write_graph
    from models.patchcore.anomalib.config import JointPatchCoreConfig
    from models.patchcore.anomalib.detector import JointPatchCore

    torch.manual_seed(0)
    model = JointPatchCore(JointPatchCoreConfig(backbone, (2, 3), vectors, side, side)).eval()
    model.memory.fill(torch.randn(vectors, sum(model.encoder.channels)))
    write_graph(model, path, input_type="float32")


def measure(path: Path, side: int, batches: list[int]) -> None:
    """Print the processor's time and the process's peak of memory for each size of a batch."""
    from service.core.engines.onnxruntime import OnnxRuntimeEngine

    engine = OnnxRuntimeEngine.open(path, threads=1)
    print(f"loaded {peak_mib():.0f} MiB")
    for count in sorted(batches):
        levels = np.random.default_rng(0).uniform(0, 255, (count, side, side, 3))
        images = levels.astype(np.float32)
        engine.infer(images)
        started_s = time.process_time()
        engine.infer(images)
        took_ms = 1000 * (time.process_time() - started_s) / count
        print(f"batch {count}: {took_ms:.0f} ms of one core a picture, {peak_mib():.0f} MiB")
    engine.close()


def peak_mib() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
