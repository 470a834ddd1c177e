"""Kinds of defects are told apart where the features differ, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.corpus.kinds import Places, figures_of, report
from benchmarks.corpus.sets import CorpusError

CHANNELS = 8


def places(apart: float, kinds: int = 3, each: int = 40) -> Places:
    """So many places of each kind, their means so many deviations apart."""
    random = np.random.default_rng(0)
    kind = np.repeat([f"kind {number}" for number in range(kinds)], each)
    means = apart * np.eye(kinds, CHANNELS)
    white = random.normal(size=(kinds * each, CHANNELS)) + np.repeat(means, each, axis=0)
    return Places(np.arange(kinds * each), kind, white.astype(np.float32))


def test_kinds_that_differ_are_told_apart_and_a_stranger_is_called_unknown() -> None:
    found = figures_of(places(20), places(20))
    assert min(*found.accuracy.values(), *found.boxes.values()) > 0.99
    assert found.unknown > 0.95
    assert "met" in report({"a set": found}) and "MISSED" not in report({"a set": found})


def test_kinds_that_do_not_differ_are_guessed() -> None:
    found = figures_of(places(0), places(0))
    assert max(found.accuracy.values()) < 0.5
    assert "MISSED" in report({"a set": found})


def test_a_set_of_one_kind_is_refused() -> None:
    with pytest.raises(CorpusError, match="one kind"):
        figures_of(places(1, kinds=1), places(1, kinds=1))
