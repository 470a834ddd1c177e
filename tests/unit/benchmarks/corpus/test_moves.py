from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.corpus.__main__ import main
from benchmarks.corpus.bearing import Borne, MovesResult, SetBorne, comparison, report
from benchmarks.corpus.moved import RANDOM, movements
from benchmarks.corpus.moves import ALTERED, AS_IT_IS, CHOSEN_ON, combinations, middle
from benchmarks.corpus.sets import CorpusError


def picture(side: int = 200) -> np.ndarray:
    """Coloured noise, coarse enough to be moved by fractions of a pixel."""
    noise = np.random.default_rng(0).integers(60, 190, (side // 8, side // 8, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC))


def test_a_shift_moves_real_content_in():
    whole = picture()

    shifted = middle(whole, dx=-10 / 168)

    # 168 pixels are kept of 200, from the 16th on; what lies ten further right has come in.
    np.testing.assert_array_equal(shifted, whole[16:184, 26:194])


@pytest.mark.parametrize("name", ALTERED | CHOSEN_ON)
def test_every_movement_gives_a_middle_of_the_same_size_and_only_one_leaves_it_as_it_is(name: str):
    whole = picture()

    altered = (ALTERED | CHOSEN_ON)[name](whole)

    assert altered.shape == (168, 168, 3)
    assert altered.dtype == np.uint8
    assert np.array_equal(altered, middle(whole)) == (name == AS_IT_IS)


def test_noise_of_a_gray_picture_is_gray():
    whole = picture()
    whole[...] = whole[..., :1]

    noisy = ALTERED["noise 3"](whole)

    assert (noisy == noisy[..., :1]).all()


def test_no_movement_that_judges_a_model_is_one_that_choices_are_made_by():
    whole = picture()
    altered = [move(whole) for name, move in ALTERED.items() if name != AS_IT_IS]

    for name, move in CHOSEN_ON.items():
        assert not any(np.array_equal(move(whole), one) for one in altered), name
    judging, choosing = (
        {one.alter for one in movements(choosing=choosing) if one.name == RANDOM}
        for choosing in (False, True)
    )
    assert len(judging) == len(choosing) == 50
    assert not judging & choosing


def test_the_same_combinations_are_drawn_again():
    assert combinations(3, seed=0) == combinations(3, seed=0)


@pytest.mark.torch
@pytest.mark.parametrize("words", [[], ["--choosing"]])
def test_the_smoke_form_has_a_row_for_each_movement(
    words: list[str], capsys: pytest.CaptureFixture[str]
):
    main(["moves", "--smoke", *words])

    told = capsys.readouterr().out.splitlines()
    rows = [line.split(" | ") for line in told if line.startswith("| ")]
    names = [*(CHOSEN_ON if words else ALTERED), RANDOM]
    assert [row[0] for row in rows] == ["| movement", "| ---", *(f"| {name}" for name in names)]
    assert [row[5:] for row in rows[:1]] == [["disks", "rings |"]]
    # A bright square is found wherever it lies.
    assert {row[3] for row in rows[2:]} == {"100.0"}


@pytest.mark.torch
def test_the_smoke_form_holds_moved_pictures_against_what_is_said(
    capsys: pytest.CaptureFixture[str],
):
    main(["bears", "--smoke"])

    told = capsys.readouterr().out
    bears, beyond = [line for line in told.splitlines() if line.startswith("| disks ")]
    assert "shift" in bears.split(" | ")[1]
    assert re.match(r"\| disks \| \d+ \(\d+\) of \d+ \| \d+ \(\d+\) of \d+ \|", beyond)
    assert "points more than unmoved" in told


@pytest.mark.torch
def test_a_result_is_logged_and_compared_and_no_leaving_out_takes_it_for_another(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    results = tmp_path / "results"
    run = ["moves", str(sets), "--sets", "one", "--scratch", str(tmp_path / "out")]
    run += ["--results", str(results), "--processes", "0", "--set", "size=64", "bank_size=300"]

    main([*run, "--name", "before"])
    kept = sorted((tmp_path / "out").rglob("*"))
    main([*run, "--name", "again", "--compare", str(results / "moves-before.json")])

    assert sorted((tmp_path / "out").rglob("*")) == kept
    assert "before → again: one\n" in capsys.readouterr().out
    found = MovesResult.load(results / "moves-before.json")
    assert found.setting == {"size": "64", "bank_size": 300}
    assert {"commit", "torch"} <= found.made_with.keys()
    one = found.sets["one"]
    assert (one.learned, one.size) == (22, "64x64")
    assert [*one.movements] == [*dict.fromkeys(move.name for move in movements(choosing=False))]
    assert {(move.good, move.defective) for move in one.movements.values()} == {(4, 4)}
    with pytest.raises(SystemExit, match=r"there is a result .*moves-before\.json"):
        main([*run, "--name", "before"])
    with pytest.raises(SystemExit, match="at least two results"):
        main(["leave-one-out", *map(str, results.glob("*.json"))])


def result(name: str, rejected: float, moved: float, *, choosing: bool = False) -> MovesResult:
    """One of a single set."""
    movements = {
        AS_IT_IS: Borne(20, rejected, 10, 0.9, 0.99),
        "shift 5 %": Borne(20, moved, 10, 0.8, 0.9),
    }
    sets = {"one": SetBorne("one", 100, "64x64", 1.0, movements)}
    return MovesResult(name, {}, choosing, 1, sets, "", {})


def test_a_set_is_named_where_even_the_lower_bound_lies_far_above_the_unmoved():
    # The exact lower bounds of 8 and of 9 of 20 are 19.1 and 23.1 %.
    assert "nowhere" in report(result("some", rejected=0.05, moved=0.4))
    assert "unmoved: one under shift 5 %" in report(result("many", rejected=0.05, moved=0.45))


def test_results_are_compared_movement_by_movement():
    told = comparison(result("before", 0.05, 0.5), result("after", 0.1, 0.25))

    assert "| shift 5 % | 50.0 → 25.0 | 80.0 → 80.0 | 0.900 → 0.900 |" in told


def test_results_of_other_movements_are_not_compared():
    with pytest.raises(CorpusError, match="other movements"):
        comparison(result("before", 0.05, 0.5), result("after", 0.05, 0.5, choosing=True))
