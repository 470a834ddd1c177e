"""A 4096 x 3000 picture in tiles: a server process against a naive loop over the same tiles.

    python -m benchmarks.tiling
    python -m benchmarks.tiling --bundle bundles/board/1 --picture board.png

Without a bundle it makes one: a few convolutions whose maps differ where tiles overlap. The naive
loop decodes, cuts, runs a tile at a time and blends in float64, written without the service's
tiling; the tiles alone are the same without the blending. All have the same picture, engine and
threads, and take turns. Printed are the largest difference of the two maps, the times with their
ratios, and the server's peak memory: when it is ready, after one picture, after several at once.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import json
import math
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.edges_bundle import SIDE, make_bundle
from service.core.bundles.bundle import Bundle, load_bundle
from service.core.bundles.tiling import Tiling
from service.core.engines.onnxruntime import OnnxRuntimeEngine
from service.core.pictures.decode import decode
from service.core.pictures.preprocess import preprocess
from service.settings import Settings

MAX_PIXELS = 200_000_000
TAKT = Path(sys.executable).with_name("takt")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="REPOSITORY/NAME/VERSION, with tiles")
    parser.add_argument("--picture", type=Path, help="instead of a made-up one of 4096 x 3000")
    parser.add_argument("--overlap", type=int, default=32, help="of the bundle that is made")
    parser.add_argument("--blend", choices=("linear", "max", "mean"), default="linear")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=8, help="pictures, for the memory")
    parser.add_argument("--max-batch-size", type=int, default=0, help="of the server")
    given = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        path = given.bundle or Path(folder) / "edges" / "1"
        if given.bundle is None:
            tiling = Tiling(width=SIDE, height=SIDE, overlap=given.overlap, blend=given.blend)
            make_bundle(path, tiling)
        bundle = load_bundle(path)
        if bundle.manifest.tiling is None:
            raise SystemExit(f"{path} sees pictures as a whole; export it with --tile")
        body = given.picture.read_bytes() if given.picture else made_up_picture(4096, 3000)
        options = ("--max-batch-size", str(given.max_batch_size))
        with serving(path.parents[1], *options) as server:
            compare(server, bundle, body, given.rounds)
            remember(server, bundle, body, given.at_once)


def compare(server: Server, bundle: Bundle, body: bytes, rounds: int) -> None:
    """The maps, then the times, the two sides in turn."""
    url = f"/v1/models/{bundle.manifest.name}/versions/{bundle.manifest.version}/inspect"
    naive = NaiveLoop(bundle)
    with closing(server.connect()) as connection, closing(naive):
        before = server.peak_mib()
        post(connection, url, body)
        after = server.peak_mib()
        raw = post(connection, f"{url}?heatmap=raw", body)["heatmap"]["data"]
        with_map = server.peak_mib()
        served = np.load(io.BytesIO(base64.b64decode(raw)))
        expected = naive(body)
        if served.shape != expected.shape:
            raise SystemExit(f"the maps have shapes {served.shape} and {expected.shape}")
        difference = float(np.abs(served - expected).max())
        print(f"tiles            {naive.tiles}, map {served.shape[1]} x {served.shape[0]} cells")
        print(f"difference       {difference:.2g} at most, of values up to {expected.max():.3g}")
        times: dict[str, list[float]] = {"tiles alone": [], "naive loop": [], "served": []}
        for _ in range(rounds):
            for name, run in (
                ("tiles alone", lambda: naive.run_tiles(body)),
                ("naive loop", lambda: naive(body)),
                ("served", lambda: post(connection, url, body)),
            ):
                started_s = time.perf_counter()
                run()
                times[name].append((time.perf_counter() - started_s) * 1000)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:<16} p50 {median:8.1f} ms over {rounds} rounds")
    for name in ("tiles alone", "naive loop"):
        print(f"ratio            {medians['served'] / medians[name]:.3f} of {name}")
    print(f"peak memory      {before:.0f} MiB when ready")
    print(f"                 {after:.0f} MiB after a picture")
    print(f"                 {with_map:.0f} MiB after one with its raw map as the answer")


def remember(server: Server, bundle: Bundle, body: bytes, count: int) -> None:
    """The server's peak memory after several pictures at once."""
    url = f"/v1/models/{bundle.manifest.name}/versions/{bundle.manifest.version}/inspect"

    def one(_: int) -> None:
        with closing(server.connect()) as connection:
            post(connection, url, body)

    with ThreadPoolExecutor(count) as clients:
        list(clients.map(one, range(count)))
    print(f"                 {server.peak_mib():.0f} MiB after {count} at once")


class NaiveLoop:
    """Decode, cut, run, blend: what one would write by hand. Of any bundle with tiles."""

    def __init__(self, bundle: Bundle) -> None:
        threads = Settings().cores
        self._manifest = bundle.manifest
        self._engine = OnnxRuntimeEngine.open(bundle.model_path, threads=threads)
        self.tiles = 0

    def __call__(self, body: bytes) -> NDArray[np.float64]:
        """The map of the whole picture, float64 [H', W']."""
        picture = decode(body, MAX_PIXELS)
        tiling, spec = self._manifest.tiling, self._manifest.preprocess
        assert tiling is not None
        height, width, _ = picture.shape
        down, across = self._manifest.map.height, self._manifest.map.width
        tile_height, tile_width = min(tiling.height, height), min(tiling.width, width)
        grid = math.ceil(height * down / tile_height), math.ceil(width * across / tile_width)
        y = (np.arange(grid[0]) + 0.5) * height / grid[0]
        x = (np.arange(grid[1]) + 0.5) * width / grid[1]
        total, weights = np.zeros(grid), np.zeros(grid)
        highest = np.full(grid, -np.inf)
        self.tiles = 0
        for top in starts(height, tile_height, tiling.overlap):
            for left in starts(width, tile_width, tiling.overlap):
                tile = picture[top : top + tile_height, left : left + tile_width]
                anomaly_map = self._engine.infer(preprocess(tile, spec)[None]).anomaly_map[0]
                self.tiles += 1
                rows = np.flatnonzero((y >= top) & (y < top + tile_height))
                columns = np.flatnonzero((x >= left) & (x < left + tile_width))
                at = np.ix_(rows, columns)
                of_row = ((y[rows] - top) * down / tile_height).astype(int)
                of_column = ((x[columns] - left) * across / tile_width).astype(int)
                values = anomaly_map[np.ix_(of_row, of_column)].astype(np.float64)
                weight = np.ones_like(values)
                if tiling.blend == "linear":
                    weight = np.outer(
                        np.minimum(of_row + 1, down - of_row),
                        np.minimum(of_column + 1, across - of_column),
                    ).astype(np.float64)
                total[at] += weight * values
                weights[at] += weight
                highest[at] = np.maximum(highest[at], values)
        if tiling.blend == "max":
            return highest
        blended: NDArray[np.float64] = total / weights
        return blended

    def run_tiles(self, body: bytes) -> None:
        """Decode, cut and run, and drop the answers."""
        picture = decode(body, MAX_PIXELS)
        tiling, spec = self._manifest.tiling, self._manifest.preprocess
        assert tiling is not None
        height, width, _ = picture.shape
        for top in starts(height, min(tiling.height, height), tiling.overlap):
            for left in starts(width, min(tiling.width, width), tiling.overlap):
                tile = picture[top : top + tiling.height, left : left + tiling.width]
                self._engine.infer(preprocess(tile, spec)[None])

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()


def starts(pixels: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin on an axis; the last one is shifted inward."""
    found = [0]
    while found[-1] + tile < pixels:
        found.append(min(found[-1] + tile - overlap, pixels - tile))
    return found


@dataclass(frozen=True)
class Server:
    """A running server process."""

    port: int
    process: subprocess.Popen[str]

    def connect(self) -> http.client.HTTPConnection:
        """A connection, to be closed by the caller."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)

    def peak_mib(self) -> float:
        """The most memory that it ever had resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024


@contextmanager
def serving(repository: Path, *options: str) -> Iterator[Server]:
    """`takt serve` on a free port, from the moment its models are ready."""
    command = [
        str(TAKT),
        "serve",
        "--repository",
        str(repository),
        "--port",
        "0",
        "--record",
        "none",
        *options,
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        port, ready = 0, False
        for line in process.stderr:
            found = re.search(r"running on http://[^:]+:(\d+)", line)
            port = int(found[1]) if found else port
            ready = ready or " is ready on " in line
            if port and ready:
                break
        else:
            raise SystemExit("the server ended; run `takt serve` to see why")
        # Nobody reads what it logs from now on, but its pipe must not fill up.
        threading.Thread(target=deque, args=(process.stderr, 0), daemon=True).start()
        yield Server(port, process)
    finally:
        process.terminate()
        process.wait()


def post(connection: http.client.HTTPConnection, path: str, body: bytes) -> Any:
    """An inspection, as JSON."""
    connection.request("POST", path, body)
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise SystemExit(f"the service refused: {answer.decode()}")
    return json.loads(answer)


def made_up_picture(width: int, height: int) -> bytes:
    """A JPEG of smooth noise, whose decoding costs what a camera's does."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    grown = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    done, data = cv2.imencode(".jpg", grown, [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    return data.tobytes()


if __name__ == "__main__":
    main()
