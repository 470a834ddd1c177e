"""A bank served by Takt beside anomalib's PatchCore in its own OpenVINO export.

    python -m benchmarks.patchcore.beside_anomalib --good DIR --pictures DIR \
        --anomalib-python VENV/bin/python [--fit-pictures 40] [--engine openvino] [--json FILE]

Both are fitted on the same pictures and answer the same ones, on the same cores, in turn. The
backbone of anomalib is its default one with random weights, which cost what trained ones do: only
speed and memory are compared, not what is found. Its bank is a tenth of all vectors, so that the
time for its choice grows with the square of the pictures; --fit-pictures bounds them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.realtime.server import TAKT, TaktServer
from export.pictures import list_pictures

CORES = os.cpu_count() or 1
ROUNDS = 3


def main() -> None:
    """Fit both, measure both in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--good", type=Path, required=True, help="pictures of good parts")
    parser.add_argument("--pictures", type=Path, required=True, help="pictures to answer")
    parser.add_argument("--fit-pictures", type=int, default=40)
    parser.add_argument("--anomalib-python", type=Path, required=True)
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        good = folder / "good"
        good.mkdir()
        for path in list_pictures(given.good)[: given.fit_pictures]:
            shutil.copy(path, good)
        facts = _fit_ours(good, folder)
        asked = [str(path.resolve()) for path in list_pictures(given.pictures)]
        (folder / "pictures.json").write_text(json.dumps(asked))
        command = [
            *(str(given.anomalib_python), str(Path(__file__).with_name("beside_anomalib_peer.py"))),
            *("--good", str(good), "--pictures", str(folder / "pictures.json")),
            *("--out", str(folder / "peer")),
        ]
        options = ("--engine", given.engine, "--engine-instances", str(CORES))
        ours: list[float] = []
        theirs: list[float] = []
        with subprocess.Popen(
            # It leaves a cache where it is started.
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
        ) as peer:
            assert peer.stdin and peer.stdout
            peers = json.loads(peer.stdout.readline())
            with TaktServer(folder / "models", *options, "--engine-threads", "1") as server:
                for _ in range(ROUNDS):
                    peer.stdin.write(f"{given.seconds}\n")
                    peer.stdin.flush()
                    theirs.append(float(peer.stdout.readline()))
                    figures = server.bench(
                        *("--images", str(given.pictures), "--concurrency", str(2 * CORES)),
                        *("--duration", str(given.seconds)),
                    )
                    ours.append(figures["answered_per_s"])
                facts["serving_mib"] = server.memory_mib("VmHWM")
            peer.stdin.write("\n")
            peer.stdin.flush()
            peers["serving_mib"] = float(peer.stdout.readline())
    rows = {
        "anomalib": {"images_per_s": statistics.median(theirs)} | peers,
        "takt": {"images_per_s": statistics.median(ours), "engine": given.engine} | facts,
        "ratio": statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
    }
    print(json.dumps(rows, indent=1))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


def _fit_ours(good: Path, folder: Path) -> dict[str, float | str]:
    checkpoint = folder / "part.safetensors"
    started_s = time.perf_counter()
    _run("fit", "patchcore", "--good", str(good), "--out", str(checkpoint), "-q")
    fit_s = time.perf_counter() - started_s
    # Linux counts the largest of all children that have ended, in KiB: so far there is one.
    fit_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    bundle = str(folder / "models" / "part" / "1")
    _run("export", "onnx", str(checkpoint), "--good", str(good), "--alpha", "0.5", "--out", bundle)
    return {"fit_s": fit_s, "fit_mib": fit_mib}


def _run(*words: str) -> None:
    done = subprocess.run([str(TAKT), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"takt {' '.join(words)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
