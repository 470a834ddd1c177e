"""What the last pictures of every station cost: a server that keeps them beside one that does not.

    python -m benchmarks.record.recent [PICTURE.jpg]

Both keep a record, of rejects, near ones and a sample. Runs come in adjacent pairs as in
`throughput.py`, with the shipped demo model unless another is named. No two requests send the same
file, so that each is written, and `recent_gb` is so small that old ones make room all the time.
Where others use the machine, throughput tells little and processor time more. It needs Debian's
`wrk`.
"""

from __future__ import annotations

import math
import os
import statistics
import tempfile
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click
import cv2

from benchmarks.realtime.server import TaktServer
from benchmarks.record.throughput import LEAST_RATIO, Side, pairs_of, table_of, warm_up

ROOT = Path(__file__).parents[2]
KEEP = "rejects,near=0.1,sample=0.01"
_QUALITY = 92


@click.command()
@click.argument("picture", type=click.Path(exists=True, path_type=Path), required=False)
@click.option(
    "--repository",
    type=click.Path(exists=True, path_type=Path),
    default=ROOT / "examples/bank",
    help="Folder of bundles; else the shipped one.",
)
@click.option("--model", default="pitting", show_default=True)
@click.option("--clients", default=8, show_default=True)
@click.option("--rejects", default=5, show_default=True, help="Of a hundred pictures.")
@click.option("--pairs", default=7, show_default=True)
@click.option("--seconds", default=4, show_default=True, help="Of a run.")
@click.option("--recent-gb", default=0.02, show_default=True, help="Bound of recent pictures.")
@click.option("--record", default="sqlite", show_default=True)
@click.option("--options", default="--engine-instances 2 --engine-threads 1", show_default=True)
def main(
    picture: Path | None,
    repository: Path,
    model: str,
    clients: int,
    rejects: int,
    pairs: int,
    seconds: int,
    recent_gb: float,
    record: str,
    options: str,
) -> None:
    """Print the ratio of throughput and latency with recent pictures and without."""
    with tempfile.TemporaryDirectory() as folder:
        picture = picture or demo_picture(Path(folder))
        layout = (*options.split(), "--no-request-log", "--record", record)
        without = ("--keep", KEEP, "--data-folder", f"{folder}/without")
        recent = ("--keep", f"{KEEP},recent", "--retain", f"gb=20,recent_gb={recent_gb}")
        print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        with (
            TaktServer(repository, *layout, *without) as plain,
            TaktServer(repository, *layout, *recent, "--data-folder", f"{folder}/with") as keeping,
        ):
            off, on = (Side(one, model, picture, rejects) for one in (plain, keeping))
            warm_up(off, on, clients)
            found = pairs_of(off, on, clients, pairs, seconds)
            for side in (off, on):
                side.resume()
            kept, skipped, removed, lost = (
                int(counted(keeping, f'takt_record_pictures_total{{outcome="{outcome}"}}'))
                for outcome in ("kept", "skipped", "removed", "lost")
            )
        size = picture.stat().st_size
    print(table_of(found))
    ratio = Median.of(other.per_s / one.per_s for one, other in found)
    p99 = Median.of(other.p99_ms / one.p99_ms for one, other in found)
    cpu = Median.of(other.cpu_ms / one.cpu_ms for one, other in found)
    print(
        f"pictures of {size / 1000:.0f} kB: {kept} kept, {removed} removed, {skipped} skipped, "
        f"{lost} lost; load after {os.getloadavg()[0]:.1f}\n"
        f"median of {pairs} pairs: throughput {ratio} (at least {LEAST_RATIO}), p99 {p99}, "
        f"processor time {cpu}: {'met' if ratio.value >= LEAST_RATIO else 'MISSED'}"
    )


def counted(server: TaktServer, series: str) -> float:
    """The sum of the series that begin so."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(series))


@dataclass(frozen=True, slots=True)
class Median:
    """The median of some values, and an interval that holds that of all such values with 95 %.

    >>> print(Median.of([1.0, 0.9, 1.1, 0.95, 1.05, 0.97, 1.03]))
    1.000 (0.900 to 1.100)
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Median:
        """The interval goes from one value to another, by the binomial distribution."""
        ordered = sorted(values)
        count, beyond, chance = len(ordered), 0, 0.0
        while 2 * beyond < count - 1:
            chance += math.comb(count, beyond) / 2**count
            if chance > 0.025:
                break
            beyond += 1
        outer = max(0, beyond - 1)
        return cls(statistics.median(ordered), ordered[outer], ordered[-1 - outer])

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def demo_picture(folder: Path) -> Path:
    """A good part of the demo as a JPEG."""
    first = sorted((ROOT / "examples/pictures/good").iterdir())[0]
    if first.suffix in (".jpg", ".jpeg"):
        return first
    path = folder / "good.jpg"
    picture = cv2.imread(str(first))
    assert picture is not None
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return path


if __name__ == "__main__":
    main()
