"""What the measurements of the watch rest on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.drift.changes import CHANGES, darker, jittered, shifted, spotted
from benchmarks.drift.promise import accused_at
from takt.core.domain import Image
from takt.watching.promise import PromiseTest


def a_picture() -> Image:
    noise = np.random.default_rng(4).normal(120, 40, (100, 150, 3))
    smooth: Image = cv2.GaussianBlur(np.clip(noise, 0, 255).astype(np.uint8), (0, 0), 3)
    return smooth


class _Given:
    """Draws that are known."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = iter(rows)

    def random(self, count: int) -> np.ndarray:
        row: np.ndarray = next(self._rows)
        return row


def test_many_models_are_accused_as_each_would_be_alone() -> None:
    draws = np.random.default_rng(5).random((2000, 6))
    shares = np.array([0.01, 0.02, 0.03, 0.04, 0.06, 0.1])

    first, rejected = accused_at(shares, 0.02, 2000, _Given(draws))  # type: ignore[arg-type]

    for model, share in enumerate(shares):
        test = PromiseTest(0.02)
        found = test.see(draws[:, model] < share)
        assert first[model] == (-1 if found is None else found)
        assert rejected[model] == test.rejected
    assert (first >= 0).any() and (first < 0).any()


def test_a_jitter_is_small_and_a_change_is_not() -> None:
    picture = a_picture()
    rng = np.random.default_rng(6)

    for _ in range(20):
        found = jittered(picture, rng)
        assert found.shape == picture.shape
        assert found.mean() == pytest.approx(picture.mean(), rel=0.015)
    for change in CHANGES.values():
        found = change(picture)
        assert found.shape == picture.shape and found.dtype == np.uint8
        assert (found != picture).any()


def test_changes_do_what_they_are_called() -> None:
    picture = a_picture()

    assert darker(picture).mean() == pytest.approx(0.8 * picture.mean(), rel=0.01)
    moved = shifted(picture)[:, 20:].astype(int) - picture[:, 20 - 4 : -4]
    # 3 % of 150 are four pixels and a half.
    assert np.abs(moved).mean() < np.abs(shifted(picture).astype(int) - picture).mean()
    assert spotted(picture)[40, 90].mean() == pytest.approx(picture[40, 90].mean() / 2, abs=2)
    assert (spotted(picture)[90, 10] == picture[90, 10]).all()
