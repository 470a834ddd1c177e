from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.corpus.__main__ import main
from benchmarks.corpus.teaching import drawn, halves


def test_halves_of_a_set_hang_on_its_names_alone():
    names = [f"test/spot/{number}.png" for number in range(9)]

    others, tested = halves(names)
    again = halves(names[::-1])

    assert sorted([*others, *tested]) == [*range(9)]
    assert (len(others), len(tested)) == (5, 4)
    assert {names[::-1][number] for number in again[1]} == {names[number] for number in tested}


def test_a_draw_takes_missed_defects_first_and_is_the_same_again():
    missed, found = np.arange(4), np.arange(10, 30)

    few, many = (drawn(missed, found, count, draw=3) for count in (3, 10))

    assert set(few) < set(missed)
    assert set(many[:4]) == set(missed)
    assert set(many[4:]) < set(found)
    assert many[:3].tolist() == few.tolist()
    assert drawn(missed, found, 10, draw=3).tolist() == many.tolist()
    assert drawn(missed, found, 10, draw=4).tolist() != many.tolist()


def test_a_draw_of_more_than_there_are_takes_all():
    assert sorted(drawn(np.arange(2), np.arange(2, 5), 20, draw=0)) == [*range(5)]


@pytest.mark.torch
def test_each_set_is_taught_judged_wrongly_and_split(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["teach", str(sets), "--scratch", str(tmp_path), "--processes", "0", "--draws", "2"]

    main([*words, "--wrong", "--set", "size=64", "bank_size=300"])
    told = capsys.readouterr().out
    main([*words, "--splits", "2", "--set", "size=64", "bank_size=300"])

    # All defects of these sets are found without a head, so that no set counts.
    assert told.splitlines()[2].startswith("| one | 22 | 5% | 2 | 0 of 2 | – | ")
    assert "| 5% | 5 | 0 | – | – | " in told
    assert "no set counts" in told
    # Eleven good parts are too few for 5 %.
    assert "every set has too few good parts" in capsys.readouterr().out
