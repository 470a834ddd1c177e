"""Teaching with many judged pictures: its time and its largest memory.

    python -m benchmarks.patchcore.many_judged DATA/bsdata_pitting [--pictures 5000]

A model is learned of the set's good pictures, and taught by copies of its tested pictures, each
with one changed pixel, so that no two are one file; four in five are defects. `takt` runs as its
users run it, on as many threads as it takes itself. Beside the time on a clock stands that of the
processors, as other work on the machine makes the former longer.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2

from export.pictures import list_pictures

MODEL = "many"
TAKT = "from service.cli import main; main()"
MOST_S, MOST_MB = 300, 2048
"""Bars: seconds and memory of a teaching."""


def write_judged(originals: Sequence[Path], folder: Path, count: int) -> None:
    """Copies of pictures, in turns, each with another pixel set to another level."""
    folder.mkdir(parents=True)
    for number, path in zip(range(count), itertools.cycle(originals), strict=False):
        picture = cv2.imread(str(path))
        assert picture is not None
        turn = number // len(originals)
        flat = picture.reshape(-1)
        flat[turn % len(flat)] = (int(flat[turn % len(flat)]) + 1 + turn // len(flat)) % 256
        # Without compression, which would take longer than the teaching.
        cv2.imwrite(str(folder / f"{number}.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 0])


def takt(words: Sequence[str]) -> tuple[float, float, float]:
    """Runs `takt`: seconds, seconds of the processors, and the largest memory in MB."""
    started_s = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", TAKT, *words])
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"takt {' '.join(words)} ended with {child.returncode}")
    seconds = time.perf_counter() - started_s
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    """Learn, teach and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a set in MVTec AD's layout")
    parser.add_argument("--pictures", type=int, default=5000)
    given = parser.parse_args()
    test: Path = given.data / "test"
    defects = [
        path
        for kind in sorted(test.iterdir())
        if kind.is_dir() and kind.name != "good"
        for path in list_pictures(kind)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repository, judged = folder / "models", folder / "judged"
        repository.mkdir()
        good = given.pictures // 5
        write_judged(defects, judged / "defect", given.pictures - good)
        write_judged(list_pictures(test / "good"), judged / "good", good)
        place = ["--repository", str(repository), "--quiet"]
        takt(["learn", str(given.data / "train" / "good"), "--model", MODEL, *place])
        seconds, core_s, peak_mb = takt(
            ["learn", "--update", MODEL, "--teach", str(judged), *place]
        )
    met = seconds <= MOST_S, peak_mb <= MOST_MB
    told = ["met" if one else "MISSED" for one in met]
    print(f"{given.pictures} judged pictures, {len(defects)} different defects:")
    print(f"{seconds:.0f} s ({core_s:.0f} s of the processors), bar {MOST_S} s: {told[0]}")
    print(f"{peak_mb:.0f} MB at most, bar {MOST_MB} MB: {told[1]}")


if __name__ == "__main__":
    main()
