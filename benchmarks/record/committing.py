"""What `commit_before_answer` costs: a server whose answers wait for the record beside another one.

    python -m benchmarks.record.committing REPOSITORY MODEL PICTURE.jpg

Runs come in adjacent pairs whose order turns, as in `benchmarks.record.throughput`; every twentieth
picture is a reject, which is kept. `--folder` names a folder on the disk that is measured.
It needs Debian's `wrk`.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from benchmarks.realtime.server import TaktServer
from benchmarks.record.throughput import Run, Side, pairs_of, warm_up


@click.command()
@click.argument("repository", type=click.Path(exists=True, path_type=Path))
@click.argument("model")
@click.argument("picture", type=click.Path(exists=True, path_type=Path))
@click.option("--clients", multiple=True, type=int, default=(1, 8), show_default=True)
@click.option("--keep", default="rejects,near=0.1,sample=0.01", show_default=True)
@click.option("--pairs", default=7, show_default=True)
@click.option("--seconds", default=4, show_default=True, help="Of a run.")
@click.option("--record", default="sqlite", show_default=True)
@click.option("--folder", type=click.Path(exists=True, path_type=Path), help="Of the records.")
@click.option("--options", default="--engine-instances 2 --engine-threads 1", show_default=True)
def main(
    repository: Path,
    model: str,
    picture: Path,
    clients: tuple[int, ...],
    keep: str,
    pairs: int,
    seconds: int,
    record: str,
    folder: Path | None,
    options: str,
) -> None:
    """Print what waiting for the record adds, for each number of clients."""
    layout = (*options.split(), "--no-request-log", "--record", record, "--keep", keep)
    with (
        tempfile.TemporaryDirectory(dir=folder) as behind,
        tempfile.TemporaryDirectory(dir=folder) as before,
        TaktServer(repository, *layout, "--data-folder", behind) as plain,
        TaktServer(
            repository, *layout, "--data-folder", before, "--commit-before-answer"
        ) as waiting,
    ):
        off, on = (Side(one, model, picture, 5) for one in (plain, waiting))
        print("clients   rate  p50 behind  before  added   p99 behind  before  added   (ms)")
        for number in clients:
            warm_up(off, on, number, seconds)
            found = pairs_of(off, on, number, pairs, seconds)
            print(line_of(number, found))
        for side in (off, on):
            side.resume()


def line_of(clients: int, pairs: Sequence[tuple[Run, Run]]) -> str:
    """The medians of pairs: the ratio of the rates, and times of both."""

    def median(figure: Callable[[Run, Run], float]) -> float:
        return statistics.median(figure(*pair) for pair in pairs)

    rate = median(lambda off, on: on.per_s / off.per_s)
    p50 = (
        median(lambda off, on: off.p50_ms),
        median(lambda off, on: on.p50_ms),
        median(lambda off, on: on.p50_ms - off.p50_ms),
    )
    p99 = (
        median(lambda off, on: off.p99_ms),
        median(lambda off, on: on.p99_ms),
        median(lambda off, on: on.p99_ms - off.p99_ms),
    )
    return "  ".join(
        (
            f"{clients:7d}  {rate:5.3f}",
            f"{p50[0]:10.2f}  {p50[1]:6.2f}  {p50[2]:5.2f}",
            f"{p99[0]:11.2f}  {p99[1]:6.2f}  {p99[2]:5.2f}",
        )
    )


if __name__ == "__main__":
    main()
