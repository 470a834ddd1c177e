"""Is what `takt learn --search` takes better on real defects than the default?

    python -m benchmarks.search ../shared/data [--sets NAME ...] [--minutes 5] [--processes 2]

Each set's good pictures are searched without its defects, as a user without any would. The default
and what the search takes are then fitted on all of them, and asked about the tested pictures.
Printed is a row for each set: image AUROC and share of the defects found at 5 % of both, and the
AUROC's paired difference with its standard error after DeLong.

The bar: no set loses more than 0.02 of its AUROC and more than two standard errors. Told beside it
is the mean gain of the sets whose default has an AUROC under 0.90. Each set is kept in a file under
`--out`; the same command goes on from there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

import cv2
import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from benchmarks.corpus.comparing import Difference, paired
from benchmarks.corpus.measuring import Scores
from benchmarks.corpus.sets import find_sets
from benchmarks.corpus.table import markdown
from takt.core.bundles.witnesses import anomalous
from takt.core.errors import TaktError
from takt_export.calibration.grouping import BY_LOOKS
from takt_export.evaluation.data_sets import Sample, read_data_set
from takt_export.learning.look import GoodPictures, look_at_pictures
from takt_export.learning.search.bank_choice import BankChoice
from takt_export.learning.search.searching import search_banks
from takt_export.learning.search.trials import fit_judge
from takt_export.learning.stages import Stages
from takt_export.pictures import read_picture
from takt_models.fit.device import Compute
from takt_models.fit.errors import FitError

SEED = 0
LOW = 0.9
"""AUROC of a default below which there is much to gain."""


@dataclass(frozen=True)
class Measured:
    """A way to learn, fitted on all good pictures, on the tested ones.

    Attributes:
        auroc: of the image.
        found: share of the defects found at 5 %, or at the smallest rate that the pictures allow.
        rejected: share of the good pictures rejected there.
    """

    auroc: float
    found: float
    rejected: float


@dataclass(frozen=True)
class SetRow:
    """A set.

    Attributes:
        name: of the set.
        search: what was tried and taken, as `Searched.plain` has it.
        search_s: seconds that it took.
        default: the default.
        taken: what the search takes.
        gain: AUROC of what is taken less that of the default.
        error: standard error of that.
    """

    name: str
    search: dict[str, Any]
    search_s: float
    default: Measured
    taken: Measured
    gain: float
    error: float

    @property
    def forbids(self) -> bool:
        """Whether it loses too much."""
        return Difference(self.name, self.gain, self.error).forbids

    @classmethod
    def read(cls, plain: dict[str, Any]) -> SetRow:
        """A row from its file."""
        both = {name: Measured(**plain[name]) for name in ("default", "taken")}
        return cls(**{**plain, **both})


def row_of(root: Path, minutes: float) -> SetRow:
    """Searches on one set, and measures what it took."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    compute = Compute.choose("cpu", bf16=False)
    started_s = time.monotonic()
    with Stages(quiet=True) as stages:
        good = look_at_pictures(root / "train" / "good", (), BY_LOOKS, stages)
        searched = search_banks(good, (), minutes, SEED, compute, stages)
    search_s = time.monotonic() - started_s
    tested = read_data_set(root).samples
    usual, chosen = searched.tried[0].choice, searched.taken.choice
    default, before = _measured(usual, good, tested, compute)
    taken, after, gain, error = default, before, 0.0, 0.0
    if chosen != usual:
        taken, after = _measured(chosen, good, tested, compute)
        gain, error = paired(before, after, root.name)
    return SetRow(root.name, searched.plain(), search_s, default, taken, gain, error)


def _measured(
    choice: BankChoice, good: GoodPictures, tested: Sequence[Sample], compute: Compute
) -> tuple[Measured, Scores]:
    judge = fit_judge(choice, good.paths, good.grouped, SEED, compute)
    looks = [judge.look(read_picture(one.path, judge.spec)) for one in tested]
    scores, peaks = np.array(looks, np.float32).T
    defective = np.array([one.defect is not None for one in tested])
    above = anomalous(judge.thresholds, scores, peaks)
    none = np.zeros((1, 0), np.float32)
    names = np.array([str(one.path) for one in tested])
    measured = Measured(
        auroc=float(roc_auc_score(defective, scores)),
        found=float(above[defective].mean()),
        rejected=float(above[~defective].mean()),
    )
    return measured, Scores(names, defective, scores[None], peaks[None], none, none)


def report(rows: Sequence[SetRow]) -> str:
    """The table, the bar and the gain."""
    head = ["set", "takes", "tried", "AUROC", "then", "difference", "± (s.e.)"]
    head += ["found at 5 %", "then", "rejected", "then", "search, s", ""]
    cells = [
        [
            row.name,
            _takes(row),
            str(len(row.search["tried"])),
            f"{row.default.auroc:.4f}",
            f"{row.taken.auroc:.4f}",
            f"{row.gain:+.4f}",
            f"{row.error:.4f}",
            f"{row.default.found:.1%}",
            f"{row.taken.found:.1%}",
            f"{row.default.rejected:.1%}",
            f"{row.taken.rejected:.1%}",
            f"{row.search_s:.0f}",
            "loses too much" if row.forbids else "",
        ]
        for row in rows
    ]
    lost = [row.name for row in rows if row.forbids]
    bar = f"MISSED ({', '.join(lost)})" if lost else "met"
    return "\n".join(
        [
            markdown(head, cells),
            "",
            f"no set loses more than 0.02 and two standard errors: {bar}",
            _gain_of_low([row for row in rows if row.default.auroc < LOW]),
        ]
    )


def _gain_of_low(rows: Sequence[SetRow]) -> str:
    if not rows:
        return f"no set's default has an AUROC under {LOW:.2f}"
    gain = fmean(row.gain for row in rows)
    found = fmean(row.taken.found - row.default.found for row in rows)
    return (
        f"mean gain of the {len(rows)} sets whose default has an AUROC under {LOW:.2f}: "
        f"{gain:+.4f}; defects found {100 * found:+.1f} points"
    )


def _takes(row: SetRow) -> str:
    taken, usual = row.search["taken"], row.search["tried"][0]
    changed = [f"{name} {taken[name]}" for name in taken if taken[name] != usual[name]]
    return ", ".join(changed) or "the default"


def main() -> None:
    """Prints a row for each set as it comes, then the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--sets", nargs="+", default=[], help="names of some sets; all without")
    parser.add_argument("--minutes", type=float, default=5, help="of each search")
    parser.add_argument("--processes", type=int, default=2, help="each has one thread")
    parser.add_argument("--out", type=Path, default=Path("out/search"))
    given = parser.parse_args()
    folder = given.out / f"minutes-{given.minutes:g}"
    folder.mkdir(parents=True, exist_ok=True)
    roots = find_sets(given.data, given.sets)
    files = {root: folder / f"{root.name}.json" for root in roots}
    with ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:
        missing = [root for root, file in files.items() if not file.exists()]
        running = {pool.submit(row_of, root, given.minutes): root for root in missing}
        for done in as_completed(running):
            root = running[done]
            try:
                row = done.result()
            except (FitError, TaktError) as error:
                print(f"{root.name}: {error}", flush=True)
                continue
            files[root].write_text(json.dumps(asdict(row), indent=1))
            print(f"{row.name}: {row.search['why']}; {row.gain:+.4f}", flush=True)
    rows = [SetRow.read(json.loads(one.read_text())) for one in files.values() if one.exists()]
    print(report(rows) if rows else "no set was measured")


if __name__ == "__main__":
    main()
