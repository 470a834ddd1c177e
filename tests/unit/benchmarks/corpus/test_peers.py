from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.corpus.__main__ import main
from benchmarks.corpus.moves import AS_IT_IS
from benchmarks.corpus.peers.detectors import Answer
from benchmarks.corpus.peers.outcomes import Outcome
from takt.core.bundles.thresholds import ThresholdPair

OTHER_DETECTOR = """
import json, sys
from pathlib import Path
import numpy as np

side, folder, name, share = sys.argv[1:]
held, asked = (np.load(Path(folder, f"{one}-0.npy")) for one in ("held", "asked"))
scores = [float(one.astype(np.float32).std()) for one in asked]
answer = {"held": [0.0] * len(held), "scores": scores, "own": 0.0}
answer |= {"learning_s": 1.5, "ms": 2.5, "kept_mb": 3.5, "peak_mb": 4.5}
Path(folder, "answer.json").write_text(json.dumps(answer))
"""


@pytest.fixture
def words(sets: Path, tmp_path: Path) -> list[str]:
    given = ["peers", str(sets), "--sets", "one", "--size", "64", "--processes", "0"]
    return [*given, "--minutes", "0", "--out", str(tmp_path / "out")]


@pytest.mark.torch
def test_detectors_are_asked_whole_and_moved_and_a_run_goes_on_where_it_was(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(words)
    first = capsys.readouterr().out

    assert "one, as it is: PaDiM of anomalib not asked: --anomalib names no interpreter" in first
    assert "| one | Takt | 1.000 | is ours | " in first
    assert "| one | PatchCore of anomalib | not asked | not asked |" in first
    # The set names no lot.
    assert "| one |" not in first.partition("**Other lots**")[2]

    other = tmp_path / "other"
    (tmp_path / "other.py").write_text(OTHER_DETECTOR)
    other.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path / "other.py"} "$@"\n')
    other.chmod(0o755)
    main([*words, "--anomalib", str(other)])
    second = capsys.readouterr().out

    # Takt is not asked anew.
    assert "as it is: Takt" not in second
    assert "| PaDiM of anomalib | 1.5 | 2.5 | 3.5 | 4 |" in second
    # What is said at its own threshold, 0, rejects everything.
    (told,) = re.findall(r"^\| one \| PaDiM of anomalib \| \S+ \| (.*?) \|", second, re.M)[:1]
    assert told == "100.0 / 100.0"


def test_moved_pictures_count_without_those_that_lie_as_they_were_learned() -> None:
    score = [0.0, 1.0, 5.0, 3.0]
    answer = Answer([[0.0], [0.0]], 1, [score, score], 0.5, 1, 1, 1, 1)
    shows = [AS_IT_IS, AS_IT_IS, "turned", "turned"]
    outcome = Outcome(answer, "", 1, [False, True, False, True], shows)

    assert outcome.auroc == 0.0
    shares = outcome.shares(ThresholdPair(4.0, 4.0))
    assert (shares.rejected, shares.found) == (1.0, 0.0)


def test_too_few_good_pictures_carry_no_rate() -> None:
    few = np.arange(18.0).tolist()
    answer = Answer([few, few], 18, [[1.0], [1.0]], None, 1, 1, 1, 1)
    assert answer.thresholds(0.05) is None
    assert answer.thresholds(0.1) is not None
