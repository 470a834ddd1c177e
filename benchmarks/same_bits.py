"""Whether a picture's score is the same, bit for bit, whoever else asks.

    python -m benchmarks.same_bits REPOSITORY --pictures DIR [--engines onnxruntime openvino]

For each engine, number of threads and batch size a server is started. It scores the pictures one by
one, and then for several clients at once, each of which sends some of them. Batches of 8 are forced
by a delay in which they fill. A cell says how many of the answers have another score than the
picture alone on one thread, and the largest difference, relative to the score.
"""

from __future__ import annotations

import argparse
import itertools
import json
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.realtime.server import TaktServer
from export.pictures import list_pictures

CLIENTS = (1, 4, 8, 32)
THREADS = (1, 2)
BATCHES = (1, 8)
OF_A_CLIENT = 2
"""Pictures that each client sends."""

FILLED_MS = 40
"""Longest wait for a batch of 8 to fill."""

Scores = dict[str, float]


@dataclass(frozen=True)
class Cell:
    """The answers to one number of clients.

    Attributes:
        answers: number of them.
        other: number of those with another score than the picture alone.
        largest: largest difference, relative to the score alone.
    """

    answers: int
    other: int
    largest: float

    def __str__(self) -> str:
        return "same" if not self.other else f"{self.other} of {self.answers}, {self.largest:.1e}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--count", type=int, default=16, help="of pictures, evenly spread")
    parser.add_argument("--engines", nargs="+", default=["onnxruntime", "openvino"])
    given = parser.parse_args()
    paths = list_pictures(given.pictures)
    paths = paths[:: max(1, len(paths) // given.count)][: given.count]
    print("| model | engine | threads | batch | alone | " + " | ".join(map(str, CLIENTS)) + " |")
    print("|---" * (5 + len(CLIENTS)) + "|")
    for engine in given.engines:
        alone: dict[str, Scores] = {}
        for threads, batch in itertools.product(THREADS, BATCHES):
            for model, cells in _rows(given.repository, engine, threads, batch, paths, alone):
                columns = " | ".join(map(str, cells))
                print(f"| {model} | {engine} | {threads} | {batch} | {columns} |", flush=True)


def _rows(
    repository: Path,
    engine: str,
    threads: int,
    batch: int,
    paths: Sequence[Path],
    alone: dict[str, Scores],
) -> Iterator[tuple[str, list[Cell]]]:
    """Each model's cells: alone, and for each number of clients.

    The first scores of a model become those that all others are compared with.
    """
    options = [
        *("--engine", engine, "--engine-threads", threads, "--engine-instances", 1),
        *("--max-batch-size", batch, "--max-queue-delay-ms", FILLED_MS if batch > 1 else 0),
        *("--timeout-ms", 300_000),
    ]
    with TaktServer(repository, *map(str, options)) as server:
        for model in _models(server.url):
            url = f"{server.url}/v1/models/{model}/inspect"
            one_by_one = [_score(url, path) for path in paths]
            due = alone.setdefault(model, dict(one_by_one))
            yield (
                model,
                [
                    _cell(one_by_one, due),
                    *(_cell(_at_once(url, paths, clients), due) for clients in CLIENTS),
                ],
            )


def _models(url: str) -> list[str]:
    with urllib.request.urlopen(f"{url}/v1/models", timeout=30) as answer:
        listed = json.load(answer)
    return sorted({model["name"] for model in listed["models"]})


def _score(url: str, path: Path) -> tuple[str, float]:
    request = urllib.request.Request(url, path.read_bytes(), method="POST")
    with urllib.request.urlopen(request, timeout=900) as answer:
        return path.name, json.load(answer)["score"]


def _at_once(url: str, paths: Sequence[Path], clients: int) -> list[tuple[str, float]]:
    """The scores that clients get, each of which starts with another picture."""

    def ask(client: int) -> list[tuple[str, float]]:
        turn = itertools.islice(itertools.cycle(paths), client, client + OF_A_CLIENT)
        return [_score(url, path) for path in turn]

    with ThreadPoolExecutor(clients) as pool:
        return [score for scores in pool.map(ask, range(clients)) for score in scores]


def _cell(scores: Sequence[tuple[str, float]], due: Scores) -> Cell:
    differences = [abs(score - due[name]) / abs(due[name]) for name, score in scores]
    return Cell(len(scores), sum(one > 0 for one in differences), max(differences))


if __name__ == "__main__":
    main()
