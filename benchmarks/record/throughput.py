"""What the record costs: a server that keeps one beside a server that keeps none.

    python -m benchmarks.record.throughput REPOSITORY MODEL PICTURE.jpg

Both servers are up; the one that is not measured is stopped by SIGSTOP. Runs come in adjacent pairs
whose order turns, and the median of the pairs' ratios counts. No two requests send the same file,
and every twentieth is a reject, whose picture is written to the disk. It needs Debian's `wrk`.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.realtime.server import TaktServer

SCRIPT = Path(__file__).with_name("parts.lua")
LEAST_RATIO, MOST_P99 = 0.95, 1.10


@dataclass(frozen=True, slots=True)
class Run:
    """Figures of one run.

    Attributes:
        per_s: pictures answered in a second.
        p50_ms: of the answers' latency.
        p99_ms: of the answers' latency.
        cpu_ms: processor time of the server for each picture.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float


class Side:
    """One of the two servers.

    Args:
        server: that is asked.
        model: that it is asked for.
        picture: a JPEG.
        rejects: of a hundred requests.
    """

    def __init__(self, server: TaktServer, model: str, picture: Path, rejects: int) -> None:
        self._server = server
        self._url = f"{server.url}/v1/models/{model}/inspect"
        self._environment = os.environ | {"PICTURE": str(picture), "REJECTS": str(rejects)}

    def pause(self) -> None:
        """Stop the server."""
        self._server.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._server.send(signal.SIGCONT)

    def run(self, clients: int, run_s: int) -> Run:
        """Ask for some seconds, each client again when it has its answer.

        Raises:
            SystemExit: a request failed.
        """
        before_s = self._server.cpu_s
        command = ["wrk", "-t1", f"-c{clients}", f"-d{run_s}s", "-s", str(SCRIPT), self._url]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=True
        )
        found = json.loads(done.stdout.partition("@@")[2])
        if found["failed"] or not found["requests"]:
            raise SystemExit(f"{found['failed']} requests failed:\n{done.stdout}")
        cpu_ms = (self._server.cpu_s - before_s) * 1000 / found["requests"]
        per_s = found["requests"] / found["run_s"]
        return Run(per_s, found["p50_ms"], found["p99_ms"], cpu_ms)


@click.command()
@click.argument("repository", type=click.Path(exists=True, path_type=Path))
@click.argument("model")
@click.argument("picture", type=click.Path(exists=True, path_type=Path))
@click.option("--clients", default=8, show_default=True)
@click.option("--rejects", default=5, show_default=True, help="Of a hundred pictures.")
@click.option("--pairs", default=7, show_default=True)
@click.option("--seconds", default=4, show_default=True, help="Of a run.")
@click.option("--record", default="sqlite", show_default=True)
@click.option("--options", default="--engine-instances 2 --engine-threads 1", show_default=True)
def main(
    repository: Path,
    model: str,
    picture: Path,
    clients: int,
    rejects: int,
    pairs: int,
    seconds: int,
    record: str,
    options: str,
) -> None:
    """Print the ratio of throughput and latency with the record on and off."""
    with tempfile.TemporaryDirectory() as folder:
        kept = ("--record", record, "--data-folder", folder)
        layout = (*options.split(), "--no-request-log")
        with (
            TaktServer(repository, *layout, "--record", "none") as plain,
            TaktServer(repository, *layout, *kept) as keeping,
        ):
            off, on = (Side(one, model, picture, rejects) for one in (plain, keeping))
            warm_up(off, on, clients, seconds)
            found = pairs_of(off, on, clients, pairs, seconds)
            for side in (off, on):
                side.resume()
        files = sum(1 for one in Path(folder, "pictures").rglob("*") if one.is_file())
    print(table_of(found))
    ratio = statistics.median(other.per_s / one.per_s for one, other in found)
    p99 = statistics.median(other.p99_ms / one.p99_ms for one, other in found)
    cpu = statistics.median(other.cpu_ms / one.cpu_ms for one, other in found)
    met = "met" if ratio >= LEAST_RATIO and p99 <= MOST_P99 else "MISSED"
    print(
        f"{files} pictures kept; median of {pairs} pairs: throughput {ratio:.3f} (at least "
        f"{LEAST_RATIO}), p99 {p99:.3f} (at most {MOST_P99}), processor time {cpu:.3f}: {met}"
    )


def warm_up(one: Side, other: Side, clients: int, seconds: int) -> None:
    """Let both answer for as long as a run."""
    pairs_of(one, other, clients, 1, seconds)


def table_of(pairs: Sequence[tuple[Run, Run]]) -> str:
    """The figures of pairs, a line each."""
    lines = ["    off/s      on/s  ratio   off p99   on p99  ratio  cpu ms off and on"]
    lines += [
        f"{one.per_s:9.1f} {other.per_s:9.1f} {other.per_s / one.per_s:6.3f}  "
        f"{one.p99_ms:8.2f} {other.p99_ms:8.2f} {other.p99_ms / one.p99_ms:6.3f}  "
        f"{one.cpu_ms:.3f} {other.cpu_ms:.3f}"
        for one, other in pairs
    ]
    return "\n".join(lines)


def pairs_of(
    one: Side, other: Side, clients: int, pairs: int, seconds: int
) -> list[tuple[Run, Run]]:
    """Adjacent runs of both, whose order turns with each pair."""
    found = []
    for number in range(pairs):
        if number % 2:
            second = _turn(other, one, clients, seconds)
            found.append((_turn(one, other, clients, seconds), second))
        else:
            first = _turn(one, other, clients, seconds)
            found.append((first, _turn(other, one, clients, seconds)))
    return found


def _turn(side: Side, other: Side, clients: int, seconds: int) -> Run:
    other.pause()
    side.resume()
    return side.run(clients, seconds)


if __name__ == "__main__":
    main()
