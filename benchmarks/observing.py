"""What metrics and the request log cost: requests/s with them over requests/s without.

    benchmarks/peers/setup.sh control                 # wrk
    python benchmarks/peers/bench.py --prepare        # the null model and the picture
    python -m benchmarks.observing --repository out/peers/bundles/whole/null \
        --images out/peers/assets/img256.jpg

Servers of the model that does nothing take turns: as it ships (metrics, a JSON line for each
picture, traces off), without the log, and one that takes note of nothing. Each round starts them
anew, as two processes of the same server differ by some percent, more than what is asked about; at
one client runs of the same process differ by ten.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.places import HERE as PEERS
from benchmarks.realtime.server import TAKT, TaktServer

LAYOUT = ("--engine-instances", "2", "--engine-threads", "1")
BLIND = (sys.executable, "-m", "benchmarks.unobserved")
ASKED = 0.97
RUNS = 2
"""Of each server in a round, for each number of clients."""


@dataclass(frozen=True)
class Variant:
    """A way to serve.

    Attributes:
        options: of `takt serve`.
        takt: the command line's beginning.
        rates: requests/s of each run, by the number of clients.
        cpu_us: the server's processor time for a request, likewise.
    """

    options: tuple[str, ...]
    takt: tuple[str, ...] = (str(TAKT),)
    rates: dict[int, list[float]] = field(default_factory=dict)
    cpu_us: dict[int, list[float]] = field(default_factory=dict)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True, help="One JPEG.")
    parser.add_argument("--seconds", type=int, default=2, help="Of a run.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[8, 32])
    given = parser.parse_args()
    variants = {
        "metrics and a JSON line": Variant(("--log-format", "json")),
        "metrics": Variant(("--no-request-log",)),
        "nothing": Variant(("--no-request-log",), BLIND),
    }
    for number in range(given.rounds):
        turn = list(variants.values())
        for variant in turn[number % 3 :] + turn[: number % 3]:
            with TaktServer(given.repository, *LAYOUT, *variant.options, takt=variant.takt) as one:
                _measure(one, variant, given)
    _print(variants, given.concurrency, RUNS)


def _measure(server: TaktServer, variant: Variant, given: argparse.Namespace) -> None:
    (name,) = (path.name for path in given.repository.iterdir() if path.is_dir())
    url = f"{server.url}/v1/models/{name}/inspect"
    _load(url, given.images, max(given.concurrency), 1)
    for clients in given.concurrency * RUNS:
        before_s = server.cpu_s
        answered = _load(url, given.images, clients, given.seconds)
        used_s = server.cpu_s - before_s
        variant.rates.setdefault(clients, []).append(answered / given.seconds)
        variant.cpu_us.setdefault(clients, []).append(used_s / answered * 1e6)


def _load(url: str, image: Path, clients: int, seconds: int) -> int:
    """Requests that wrk had answered."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s", str(PEERS / "post.lua"), url]
    with tempfile.NamedTemporaryFile() as body:
        body.write(image.read_bytes())
        body.flush()
        wishes = {"WRK_BODY": body.name, "WRK_HEADERS": "Content-Type: image/jpeg"}
        done = subprocess.run(
            command, env=os.environ | wishes, capture_output=True, text=True, check=True
        )
    found = done.stdout.partition("@@")[2]
    if '"refused":0' not in found:
        raise SystemExit(f"not every request was answered by a score: {done.stdout}")
    return int(found.partition('"requests":')[2].partition(",")[0])


def _print(variants: dict[str, Variant], concurrency: list[int], runs: int) -> None:
    """Ratios are means over rounds, each to the blind server's in its round."""
    *seen, blind = variants.values()
    print("| clients | what is noted | requests/s | ratio, asked: 0.97 | processor time, µs |")
    print("|---|---|---|---|---|")
    for clients in concurrency:
        base = _by_round(blind.rates[clients], runs)
        for name, variant in variants.items():
            rates = _by_round(variant.rates[clients], runs)
            ratios = rates / base
            error = ratios.std(ddof=1) / np.sqrt(len(ratios))
            missed = variant in seen and ratios.mean() + error < ASKED
            print(
                f"| {clients} | {name} | {rates.mean():.0f} | {ratios.mean():.3f} ± {error:.3f}"
                f"{', missed' if missed else ''} | {np.mean(variant.cpu_us[clients]):.0f} |"
            )


def _by_round(values: list[float], runs: int) -> NDArray[np.float64]:
    means: NDArray[np.float64] = np.array(values).reshape(-1, runs).mean(axis=1)
    return means


if __name__ == "__main__":
    main()
