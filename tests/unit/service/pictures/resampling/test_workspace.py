"""A thread's memory is kept, its own, and within bounds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from service.pictures.resampling.workspace import Workspace


def test_the_next_array_for_the_same_use_lies_in_the_same_memory() -> None:
    workspace = Workspace()
    first = workspace.array("sums", (40, 30), np.float32)

    second = workspace.array("sums", (10, 7, 3), np.uint8)

    assert second.shape == (10, 7, 3)
    assert second.dtype == np.uint8
    assert np.shares_memory(first, second)


def test_a_larger_array_gets_larger_memory() -> None:
    workspace = Workspace()
    small = workspace.array("sums", (4,), np.float32)

    large = workspace.array("sums", (400,), np.float32)

    assert large.nbytes == 1600
    assert not np.shares_memory(small, large)
    assert np.shares_memory(large, workspace.array("sums", (4,), np.float32))


def test_uses_do_not_share_memory() -> None:
    workspace = Workspace()

    sums, inputs = (workspace.array(use, (100,), np.float32) for use in ("sums", "inputs"))

    assert not np.shares_memory(sums, inputs)


def test_threads_do_not_share_memory() -> None:
    workspace = Workspace()
    ours = workspace.array("sums", (100,), np.float32)

    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(workspace.array, "sums", (100,), np.float32).result()

    assert not np.shares_memory(ours, theirs)


def test_very_large_memory_is_not_kept() -> None:
    workspace = Workspace()
    large = workspace.array("sums", (9 << 20,), np.uint8)

    assert not np.shares_memory(large, workspace.array("sums", (9 << 20,), np.uint8))
