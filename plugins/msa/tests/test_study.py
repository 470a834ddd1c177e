from __future__ import annotations

import pytest

from plugins.msa.tests.attribute_study import part, study
from takt_msa.errors import MsaError


def test_parts_that_were_placed_once_are_refused() -> None:
    with pytest.raises(MsaError, match="each of the 2 parts has one trial only"):
        study(part("a", False, 0.1), part("b", True, 0.9))


def test_a_study_without_defective_parts_is_refused() -> None:
    with pytest.raises(MsaError, match="no defective part with two trials"):
        study(part("a", False, 0.1, 0.2), part("b", True, 0.9))


def test_a_study_without_good_parts_is_refused() -> None:
    with pytest.raises(MsaError, match="no good part with two trials"):
        study(part("b", True, 0.9, 0.8))


def test_parts_that_were_placed_once_are_left_out_and_named() -> None:
    made = study(part("a", False, 0.1, 0.2), part("b", True, 0.9, 0.8), part("c", True, 0.7))

    assert [one.name for one in made.parts] == ["a", "b"]
    assert made.notes[0].names == ("c",)
    assert made.notes[0].grave
