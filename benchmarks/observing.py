"""What metrics and the request log cost: requests/s with them over requests/s without.

    python benchmarks/peers/bench.py --prepare        # the null model and the picture
    python -m benchmarks.observing --repository out/peers/bundles/whole/null \
        --images out/peers/assets/img256.jpg

Two servers of the model that does nothing, one as it ships (metrics, a JSON line for each picture,
traces off), one that takes note of nothing, take turns; the ratio of each pair of turns counts, and
so does the servers' processor time for a request, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from benchmarks.realtime.server import TaktServer

BLIND = (sys.executable, "-m", "benchmarks.unobserved")
ASKED = 0.97


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=2.0, help="Of a turn.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 32])
    given = parser.parse_args()
    print("| clients | requests/s | without | ratio, asked: 0.97 | processor time, µs | without |")
    print("|---|---|---|---|---|---|")
    with (
        TaktServer(given.repository, "--log-format", "json") as seen,
        TaktServer(given.repository, "--no-request-log", takt=BLIND) as blind,
    ):
        for clients in given.concurrency:
            rates: dict[TaktServer, list[float]] = {seen: [], blind: []}
            spent: dict[TaktServer, list[float]] = {seen: [], blind: []}
            for number in range(given.rounds):
                for server in (seen, blind) if number % 2 else (blind, seen):
                    before_s = server.cpu_s
                    figures = server.bench(
                        "--images", str(given.images), "--duration", str(given.seconds),
                        "--concurrency", str(clients),
                    )  # fmt: skip
                    rates[server].append(figures["answered_per_s"])
                    answered = figures["answered_per_s"] * given.seconds
                    spent[server].append((server.cpu_s - before_s) / answered * 1e6)
            ratio = float(np.median(np.array(rates[seen]) / np.array(rates[blind])))
            print(
                f"| {clients} | {np.median(rates[seen]):.0f} | {np.median(rates[blind]):.0f} "
                f"| {ratio:.3f}{'' if ratio >= ASKED else ', missed'} "
                f"| {np.median(spent[seen]):.0f} | {np.median(spent[blind]):.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
