"""What the service adds to a picture's way: a running server against its parts in a loop.

    takt serve --repository examples/models --port 8000 &
    python benchmarks/overhead.py examples/models/pitting/1 examples/pictures/good/*.jpg

One client, one picture at a time. The parts (decode, preprocess, engine) run in this
process on the same pictures, with the same code and as many threads. Both sides take turns, so
that a change of the machine's pace meets both.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from service.core.bundles.bundle import load_bundle
from service.core.engines.onnxruntime import OnnxRuntimeEngine
from service.core.pictures.prepare import prepare
from service.settings import Settings


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=Settings().cores, help="The server's.")
    given = parser.parse_args()

    bodies = [path.read_bytes() for path in given.pictures]
    alone = parts_alone(given.bundle, given.threads)
    connection = http.client.HTTPConnection("127.0.0.1", given.port)
    served = through_server(connection, f"/v1/models/{given.bundle.parent.name}/inspect")
    try:
        times: dict[str, list[float]] = {"parts alone": [], "served": []}
        for turn in range(given.rounds + 2):
            for body in bodies:
                for name, run in (("parts alone", alone), ("served", served)):
                    started_s = time.perf_counter()
                    run(body)
                    if turn >= 2:
                        times[name].append((time.perf_counter() - started_s) * 1000)
    finally:
        connection.close()
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:<12} p50 {median:8.3f} ms over {len(times[name])} pictures")
    alone_ms, served_ms = medians["parts alone"], medians["served"]
    print(f"overhead         {served_ms - alone_ms:8.3f} ms, ratio {served_ms / alone_ms:.4f}")


def parts_alone(path: Path, threads: int) -> Callable[[bytes], None]:
    """Decode, preprocess and engine, without the service."""
    bundle = load_bundle(path)
    spec, most = bundle.manifest.preprocess, Settings().max_image_pixels
    engine = OnnxRuntimeEngine.open(bundle.model_path, threads=threads)

    def run(body: bytes) -> None:
        engine.infer(prepare(body, spec, most).model_input[None])

    return run


def through_server(connection: http.client.HTTPConnection, path: str) -> Callable[[bytes], None]:
    """The same through a running server, on one kept connection."""

    def run(body: bytes) -> None:
        connection.request("POST", path, body)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise SystemExit(f"the service refused: {answer.decode()}")

    return run


if __name__ == "__main__":
    main()
