"""The other side of benchmarks/anomalib_openvino.py, in anomalib's own environment.

Exports a fitted EfficientAd by anomalib's own `to_openvino` and answers pictures through anomalib's
own OpenVINOInferencer; it imports nothing of Takt. Commands come by lines: a number of seconds to
loop over the pictures, answered by the pictures per second; an empty line ends.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def main() -> None:
    """Export, answer all pictures once, then loop as asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="by anomalib's names")
    parser.add_argument("--channels", type=int, required=True)
    parser.add_argument("--pictures", type=Path, required=True, help="JSON list of paths")
    parser.add_argument("--precision", help="INFERENCE_PRECISION_HINT; else as OpenVINO chooses")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")

    from anomalib.deploy import OpenVINOInferencer
    from anomalib.models import EfficientAd
    from safetensors.torch import load_file

    replies = sys.stdout
    sys.stdout = sys.stderr
    model = EfficientAd(teacher_out_channels=given.channels, evaluator=False, visualizer=False)
    weights = load_file(given.weights)
    missing, unexpected = model.model.load_state_dict(weights, strict=False)
    assert not unexpected, unexpected
    # Its convolutions for a mean and the like are buffers that the weights do not have.
    assert all("." not in name or "quantiles" not in name for name in missing), missing
    model.eval()
    path = model.to_openvino(given.out)
    config = {"INFERENCE_PRECISION_HINT": given.precision} if given.precision else None
    inferencer = OpenVINOInferencer(path, device="CPU", config=config)
    pictures = json.loads(given.pictures.read_text(encoding="utf-8"))
    scores, maps = [], []
    for picture in pictures:
        answer = inferencer.predict(picture)
        scores.append(float(np.asarray(answer.pred_score).ravel()[0]))
        maps.append(np.asarray(answer.anomaly_map, np.float32).squeeze())
    np.savez(given.out / "answers.npz", scores=np.array(scores), maps=np.stack(maps))
    facts = {
        "anomalib": importlib.metadata.version("anomalib"),
        "precision": str(inferencer.model.get_property("INFERENCE_PRECISION_HINT")),
    }
    print(json.dumps(facts), file=replies, flush=True)
    for line in sys.stdin:
        if not line.strip():
            break
        seconds, count, started_s = float(line), 0, time.perf_counter()
        while time.perf_counter() - started_s < seconds:
            inferencer.predict(pictures[count % len(pictures)])
            count += 1
        print(count / (time.perf_counter() - started_s), file=replies, flush=True)


if __name__ == "__main__":
    main()
