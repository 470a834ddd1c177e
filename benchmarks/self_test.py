"""Does the self-test tell a good model from a bad one? Made-up defects beside real ones.

    python -m benchmarks.self_test ../shared/data [--sets NAME ...] [--processes 2]

Each set is learned by each of `RECIPES`, some of them bad on purpose. The default threshold of
`takt learn` then finds a share of the real defects and a share of the self-test's made-up ones.
Printed are: pairs of recipes on one set whose real shares differ by ten points or more, and how
many of them the made-up ones order rightly; recipes that find under a tenth of the real defects
without being told; those that find over half and are told; Spearman's correlation of both shares
over all, with its interval by resampling the sets.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from scipy.stats import spearmanr

from takt.core.bundles.conformal import choose_alpha
from takt.core.bundles.findings import FitRecord
from takt.core.bundles.thresholds import ThresholdPair
from takt_export.bundling.checkpoint_source import preprocess_of
from takt_export.calibration.cross_conformal import cross_conformal
from takt_export.calibration.pictures_to_use import CalibrationPictures, sample_evenly
from takt_export.calibration.self_test import self_test
from takt_export.calibration.subject import Subject
from takt_export.learning.search.bank_choice import BankChoice
from takt_export.learning.search.trials import Judge, scores_out_of_fold
from takt_export.pictures import list_pictures, read_fit_input, read_picture
from takt_models.fit.device import Compute
from takt_models.fit.patchcore.fit import fit_patchcore
from takt_models.fit.patchcore.options import PatchCoreOptions

MOST_GOOD, MOST_TESTED = 120, 60
ORDERED_FROM = 0.1 - 1e-9
"""Least difference of two real shares that the made-up ones must order, but for rounding."""


RECIPES: Mapping[str, Mapping[str, Any]] = {
    "default, half the bank": {},
    "side 64": {"side": 64},
    "side 128": {"side": 128},
    "side 512": {"side": 512},
    "block 0 alone": {"layers": (0,)},
    "block 2 alone": {"layers": (2,)},
    "30 vectors": {"bank_size": 30},
}
"""What each changes of the default with half of its bank."""


@dataclass(frozen=True)
class Row:
    """A recipe on a set.

    Attributes:
        data: name of the set.
        recipe: name of the recipe.
        real: share of the real defects that is found.
        made_up: share of the made-up ones.
        told: codes of the findings.
    """

    data: str
    recipe: str
    real: float
    made_up: float
    told: tuple[str, ...]


def rows_of(folder: Path) -> list[Row]:
    """All recipes on one set."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    good = sample_evenly(list_pictures(folder / "train/good"), (), MOST_GOOD)
    kinds = [kind for kind in sorted((folder / "test").iterdir()) if kind.name != "good"]
    every = [path for kind in kinds for path in list_pictures(kind)]
    bad = sample_evenly(every, (), MOST_TESTED)
    usual = BankChoice.usual(good, Compute.choose("cpu", bf16=False))
    half = replace(usual, bank_size=usual.bank_size // 2)
    return [
        row_of(folder.name, name, replace(half, **changes), good, bad)
        for name, changes in RECIPES.items()
    ]


def row_of(
    data: str, recipe: str, choice: BankChoice, good: Sequence[Path], bad: Sequence[Path]
) -> Row:
    """Learns by a recipe, and looks at real and at made-up defects."""
    compute = Compute.choose("cpu", bf16=False)
    encoder = choice.encoder()
    spec = preprocess_of(encoder.recipe)
    options = PatchCoreOptions(bank_size=choice.bank_size)
    read = partial(read_fit_input, spec=spec)
    fitted = fit_patchcore([good], read, encoder, options, compute, quiet=True)
    scored = scores_out_of_fold(fitted, encoder)
    limits = cross_conformal(scored, choose_alpha(None, len(good)))
    thresholds = ThresholdPair(limits.image, limits.pixel)
    judge = Judge(fitted.model, thresholds, spec, compute.device)
    tested = self_test(
        Subject(
            family="patchcore",
            fit=FitRecord(pictures=len(good)),
            thresholds=thresholds,
            look=judge.look,
            counted=lambda width, height: np.ones((height, width), np.bool_),
            good_score=scored.score,
            good_peak=scored.peak,
            defect_score=np.zeros(0, np.float32),
            defect_peak=np.zeros(0, np.float32),
            unseen=lambda path, picture, _: scored.altered(
                str(path), judge.answer(picture)[0].flatten().numpy()
            ),
            read=partial(read_picture, spec=spec),
        ),
        CalibrationPictures(unseen=tuple(good), seen=()),
        quiet=True,
    )
    row = Row(
        data,
        recipe,
        real=float(np.mean([judge.rejects(read_picture(path, spec)) for path in bad])),
        made_up=sum(size.found for size in tested.sizes)
        / max(1, sum(size.defects for size in tested.sizes)),
        told=tuple(finding.code for finding in tested.findings),
    )
    print(
        f"| {row.data} | {row.recipe} | {row.real:.2f} | {row.made_up:.2f} "
        f"| {', '.join(row.told)} |",
        flush=True,
    )
    return row


def ordered(rows: Sequence[Row]) -> tuple[int, int]:
    """Pairs of recipes on one set that the made-up defects order rightly, and all that count."""
    right = count = 0
    for one, other in combinations(rows, 2):
        if one.data == other.data and abs(one.real - other.real) >= ORDERED_FROM:
            count += 1
            right += (one.made_up - other.made_up) * (one.real - other.real) > 0
    return right, count


def interval(rows: Sequence[Row], draws: int = 2000) -> tuple[float, float, float]:
    """Spearman's correlation of real and made-up shares, and its 95 % interval over the sets."""
    names = sorted({row.data for row in rows})
    rng = np.random.default_rng(0)
    values = []
    for _ in range(draws):
        drawn = rng.choice(names, len(names))
        values.append(_spearman([row for name in drawn for row in rows if row.data == name]))
    low, high = np.nanquantile(values, (0.025, 0.975))
    return _spearman(rows), float(low), float(high)


def _spearman(rows: Sequence[Row]) -> float:
    return float(spearmanr([row.real for row in rows], [row.made_up for row in rows]).statistic)


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """What the rows say, line by line."""
    right, count = ordered(rows)
    yield f"pairs ordered rightly: {right} of {count} ({right / max(1, count):.0%}; bar 75 %)"
    for name in dict.fromkeys(row.data for row in rows):
        right, count = ordered([row for row in rows if row.data == name])
        yield f"  {name}: {right} of {count}"
    untold = [row for row in rows if row.real < 0.1 and "made_up_missed" not in row.told]
    yield f"find under a tenth and are not told: {len(untold)} " + "; ".join(
        f"{row.data}, {row.recipe}" for row in untold
    )
    wrongly = [row for row in rows if row.real > 0.5 and "made_up_missed" in row.told]
    yield f"find over half and are told: {len(wrongly)} " + "; ".join(
        f"{row.data}, {row.recipe}" for row in wrongly
    )
    yield "Spearman {:.2f} (95 % interval {:.2f} to {:.2f})".format(*interval(rows))


def main() -> None:
    """Print a row for each recipe on each set, and what they say together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path("out/self-test.json"))
    given = parser.parse_args()
    folders = [one.parents[1] for one in sorted(given.data.glob("*/train/good"))]
    chosen = [one for one in folders if not given.sets or one.name in given.sets]
    print("| set | recipe | real found | made-up found | told |")
    print("|---|---|---|---|---|", flush=True)
    with ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:
        rows = [row for found in pool.map(rows_of, chosen) for row in found]
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    print("\n".join(lines(rows)))


if __name__ == "__main__":
    main()
