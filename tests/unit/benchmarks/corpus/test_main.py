from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.corpus.__main__ import main
from benchmarks.corpus.results import load, load_scores

pytestmark = pytest.mark.torch


def test_sets_are_measured_logged_compared_and_left_out(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    results = tmp_path / "results"
    run = [str(sets), "--scratch", str(tmp_path / "out"), "--results", str(results)]
    run += ["--processes", "0", "--seeds", "2"]

    main([*run, "--set", "size=64", "bank_size=300", "--name", "small", "--p50"])
    table = capsys.readouterr().out
    main([*run, "--set", "size=64", "bank_size=600", "--name", "large"])
    capsys.readouterr()

    small, large = results / "small.json", results / "large.json"
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == [
        "| set",
        "| ---",
        "| one",
        "| two",
        "| **mean**",
        "| **median**",
        "| **worst**",
        "| **worst but one**",
    ]
    plain = json.loads(small.read_text())
    assert plain["setting"] == {"size": "64", "bank_size": 300}
    assert {"torch", "commit"} <= plain["made_with"].keys()
    found = load(small)
    for one in found.sets:
        assert (one.good, one.tested_good, one.defective, one.size) == (22, 4, 4, "64x64")
        assert one.image_auroc == 1
        assert one.seeds[0].pixel_auroc > 0.8
        assert one.found(0.05) == 1
        assert one.found(0.01) is None
        assert one.p50_ms > 0
    scores = load_scores(small)["one"]
    assert scores.scores.shape == scores.peaks.shape == (2, 8)
    assert scores.good_scores.shape == (2, 22)

    main(["compare", str(small), str(large)])
    assert "stays out: the mean image AUROC changes by +0.0000" in capsys.readouterr().out
    main(["leave-one-out", str(small), str(large)])
    assert "all sets choose small" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="has a result small"):
        main([*run, "--name", "small"])


def test_a_defect_in_the_good_folder_is_named_and_neither_folder_is_asked_about_it(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["dirty", str(sets), "--sets", "one", "--scratch", str(tmp_path), "--processes", "0"]

    main([*words, "--set", "size=64", "bank_size=300"])

    row = capsys.readouterr().out.splitlines()[2].split(" | ")
    assert row[:5] == ["| one", "1", "100.0%", "0.0%", "100.0%"]
    assert row[8] == "100.0%"


def test_few_pictures_are_learned_as_they_are_and_turned(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["few", str(sets), "--sets", "one", "--scratch", str(tmp_path), "--processes", "0"]

    main([*words, "--set", "size=64", "bank_size=300"])

    told = capsys.readouterr().out
    for count in (6, 10, 30):
        assert f"{count} good pictures" in told
    # Noise looks the same from everywhere, and a bright square is found in it anyway.
    rows = [line for line in told.splitlines() if line.startswith("| one")]
    for row in rows:
        assert "| left to right, upside down, half round | 1.000 → 1.000 | 1.000 → 1.000 |" in row
    assert len(rows) == 3


@pytest.mark.slow
def test_processes_give_the_figures_of_a_run_without_them(sets: Path, tmp_path: Path):
    for processes in ("0", "2"):
        words = ["--scratch", tmp_path / processes, "--results", tmp_path, "--name", processes]
        words += ["--processes", processes, "--set", "size=64", "bank_size=300"]
        main([str(sets), *map(str, words)])

    one, other = (load_scores(tmp_path / f"{processes}.json") for processes in ("0", "2"))
    for name, scores in one.items():
        np.testing.assert_allclose(scores.scores, other[name].scores, rtol=1e-3)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sets", "three"], "has no set three: it has one, two"),
        (["--set", "bank=3"], "cannot be set; what can is bank_size"),
        (["compare", "a.json", "b.json"], "a.json is no result"),
    ],
)
def test_what_cannot_be_had_ends_with_one_line(sets: Path, words: list[str], told: str):
    with pytest.raises(SystemExit, match=told):
        main(words if words[0] == "compare" else [str(sets), *words])
