"""The other side of benchmarks/patchcore/beside_anomalib.py, in anomalib's own environment.

Fits anomalib's PatchCore by its own engine, exports it by its own `to_openvino` and answers
pictures through its own OpenVINOInferencer; it imports nothing of Takt. Commands come by lines: a
number of seconds to loop over the pictures, answered by the pictures per second; an empty line is
answered by the memory that is in use, and ends.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import re
import resource
import sys
import time
import warnings
from pathlib import Path


def main() -> None:
    """Fit, export, then loop as asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--good", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True, help="JSON list of paths")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")

    from anomalib.callbacks import ModelCheckpoint
    from anomalib.data import Folder
    from anomalib.deploy import OpenVINOInferencer
    from anomalib.engine import Engine
    from anomalib.models import Patchcore

    replies = sys.stdout
    sys.stdout = sys.stderr
    model = Patchcore(pre_trained=False, evaluator=False, visualizer=False)
    data = Folder(
        "benchmark",
        normal_dir=given.good,
        train_batch_size=1,
        eval_batch_size=1,
        num_workers=0,
        test_split_mode="none",
        val_split_mode="none",
        seed=0,
    )
    engine = Engine(
        callbacks=[ModelCheckpoint(dirpath=given.out, save_top_k=0)],
        default_root_dir=given.out,
        accelerator="cpu",
        devices=1,
        limit_val_batches=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    started_s = time.perf_counter()
    engine.fit(model=model, datamodule=data)
    fit_s = time.perf_counter() - started_s
    fit_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    vectors = len(model.model.memory_bank)
    model.eval()
    path = model.to_openvino(given.out)
    del model, data, engine
    inferencer = OpenVINOInferencer(path, device="CPU")
    pictures = json.loads(given.pictures.read_text(encoding="utf-8"))
    inferencer.predict(pictures[0])
    facts = {
        "anomalib": importlib.metadata.version("anomalib"),
        "precision": str(inferencer.model.get_property("INFERENCE_PRECISION_HINT")),
        "vectors": vectors,
        "fit_s": fit_s,
        "fit_mib": fit_mib,
    }
    print(json.dumps(facts), file=replies, flush=True)
    for line in sys.stdin:
        if not line.strip():
            status = Path("/proc/self/status").read_text()
            (kib,) = re.findall(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
            print(int(kib) / 1024, file=replies, flush=True)
            break
        seconds, count, began_s = float(line), 0, time.perf_counter()
        while time.perf_counter() - began_s < seconds:
            inferencer.predict(pictures[count % len(pictures)])
            count += 1
        print(count / (time.perf_counter() - began_s), file=replies, flush=True)


if __name__ == "__main__":
    main()
