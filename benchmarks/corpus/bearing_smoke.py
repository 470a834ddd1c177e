"""What movement a model bears, on tiny made-up sets: does the whole way still go?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.corpus.bearing import MovesResult, measured, report
from benchmarks.corpus.bears import SetBears
from benchmarks.corpus.bears import report as bears_report
from benchmarks.corpus.measuring import Task
from benchmarks.corpus.moved import movements
from benchmarks.corpus.moves import AS_IT_IS
from benchmarks.corpus.running import Run, run_each
from benchmarks.corpus.sets import CorpusError
from benchmarks.corpus.settings import Setting

NAMES = ("disks", "rings")
GOOD, TESTED, SIDE = 22, 3, 80
SETTING = ("size=64", "bank_size=300")


def checked(*, choosing: bool) -> str:
    """The report on the sets.

    Raises:
        CorpusError: it lacks something.
    """
    with tempfile.TemporaryDirectory() as folder:
        roots = [_drawn(Path(folder) / name, turn) for turn, name in enumerate(NAMES)]
        asked = Run(roots, Setting.parsed(SETTING), 1, Path(folder) / "out", processes=0)
        path = measured(asked, "smoke", choosing=choosing).save(Path(folder))
        result = MovesResult.load(path)
    expected = [*dict.fromkeys(one.name for one in movements(choosing=choosing))]
    for name in NAMES:
        found = result.sets[name].movements
        counts = {(one.good, one.defective) for one in found.values()}
        shares = [share for one in found.values() for share in (one.rejected, one.found)]
        if [*found] != expected or counts != {(TESTED, TESTED)} or not 0 <= max(shares) <= 1:
            raise CorpusError(f"{name} has other movements, pictures or shares than it should")
    return report(result)


def bears_checked(work: Callable[[Task], SetBears]) -> str:
    """The report on what a model of one set says that it bears.

    Raises:
        CorpusError: it lacks something.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = _drawn(Path(folder) / NAMES[0], 0)
        found = run_each(
            Run([root], Setting.parsed([]), 1, Path(folder) / "out", processes=0), work
        )
    for name, one in found.items():
        within = [key for key, shown in one.movements.items() if shown.within]
        if {shown.good for shown in one.movements.values()} != {TESTED} or AS_IT_IS not in within:
            raise CorpusError(f"{name} has other movements or pictures than it should")
    return bears_report(found)


def _drawn(root: Path, turn: int) -> Path:
    """A set of gray parts; a bright square is a defect."""
    draw = np.random.default_rng(turn)
    folders = {"train/good": GOOD, "test/good": TESTED, "test/spot": TESTED}
    for folder, count in folders.items():
        (root / folder).mkdir(parents=True)
        for number in range(count):
            picture = draw.integers(40, 60, (SIDE, SIDE, 1), np.uint8).repeat(3, 2)
            cv2.circle(picture, (SIDE // 2, SIDE // 2), SIDE // 4, (120,) * 3, (-1, 5)[turn])
            if folder == "test/spot":
                cv2.rectangle(picture, (30, 30), (44, 44), (250,) * 3, -1)
            cv2.imwrite(str(root / folder / f"{number}.png"), picture)
    return root
