"""A short version of `python -m tests.hostile features`."""

from __future__ import annotations

import pytest

from tests.hostile.features.running import KINDS, judge, send
from tests.hostile.report import Verdict

COUNT = 60


@pytest.mark.parametrize("name", KINDS)
def test_malformed_inputs_of_a_feature_are_refused_in_its_own_words(name: str) -> None:
    verdict = Verdict(2)

    judge(name, send(name, COUNT, seed=1), verdict)

    assert verdict.missed == []
