"""Holds the score of ECOD against pyod's, one picture joined to the calibration at a time.

    python -m benchmarks.drift.ecod [--write FILE]

pyod is no dependency: run this with a Python that has both pyod and this repository's service. With
`--write`, pyod's scores become the file that the tests compare with.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from benchmarks.drift.tables import tables
from takt.watching.ecod import Ecod

MOST_DIFFERENCE = 1e-9


def main() -> None:
    """Compare and print; ends with 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="Keep pyod's scores here.")
    given = parser.parse_args()
    try:
        import pyod
        from pyod.models.ecod import ECOD
    except ImportError:
        parser.error("pyod is not installed here: make an environment with pyod and numpy")
    found, worst = {}, 0.0
    for name, (calibration, pictures) in tables().items():
        theirs = ECOD()
        theirs.fit(calibration)
        expected = [float(theirs.decision_function(one[None])[0]) for one in pictures]
        ours = Ecod(calibration)
        begun = time.perf_counter()
        scores = [ours.score(one) for one in pictures]
        each_us = (time.perf_counter() - begun) / len(pictures) * 1e6
        off = float(np.abs(np.array(scores) - expected).max())
        worst = max(worst, off)
        found[name] = expected
        print(f"{name:10} {len(pictures):3} pictures: {off:.1e} off at most; {each_us:.0f} us each")
    if given.write:
        made = f"pyod {pyod.__version__}, python -m benchmarks.drift.ecod --write"
        given.write.write_text(json.dumps({"made_by": made, "scores": found}, indent=1) + "\n")
    if worst > MOST_DIFFERENCE:
        raise SystemExit(f"the scores differ by {worst:.1e}")


if __name__ == "__main__":
    main()
