"""A server that is killed under mixed load: a short `python -m tests.hostile mixed-kills`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.mixed_kills import judge_mixed, run


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(False, id="behind", marks=pytest.mark.slow),
        pytest.param(True, id="before the answer"),
    ],
)
def test_kills_under_mixed_load_leave_no_wrong_answer_and_lose_no_more_than_is_said(
    tmp_path: Path, first: bool
) -> None:
    assert judge_mixed(run(2, 3.0, tmp_path, first=first), first=first).missed == []
