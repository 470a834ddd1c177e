"""The first names are the same for all workers, and no more than there may be."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from takt.peers import MOST_NAMES, OwnCounts
from takt.server.workers.ways.counts import CountTable


@pytest.fixture
def memory() -> Iterator[int]:
    descriptor = CountTable.memory(2)
    yield descriptor
    os.close(descriptor)


def test_workers_tell_the_same_names_apart(memory: int) -> None:
    one, other = (CountTable.over(memory, 2).row(number) for number in range(2))
    for number in range(MOST_NAMES // 2):
        assert one.admits(f"press {number}")
        assert other.admits(f"line {number} \N{GREEK SMALL LETTER ALPHA}")
    assert not one.admits("one more")
    assert other.admits("press 0") and one.admits("line 0 \N{GREEK SMALL LETTER ALPHA}")
    assert not other.admits("one more")


def test_a_worker_that_takes_the_place_of_another_knows_its_names(memory: int) -> None:
    table = CountTable.over(memory, 2)
    for number in range(MOST_NAMES):
        assert table.row(0).admits(f"{number:x>128}")
    table.clear(0)
    assert CountTable.over(memory, 2).row(0).admits(f"{0:x>128}")
    assert not CountTable.over(memory, 2).row(0).admits("new")


def test_processes_at_once_fill_no_more_slots_than_there_are(memory: int) -> None:
    children = []
    for process in range(3):
        child = os.fork()
        if not child:
            counts = CountTable.over(memory, 2).row(0)
            met = sum(counts.admits(f"{process} {number}") for number in range(MOST_NAMES))
            os._exit(met)
        children.append(child)
    met = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert sum(met) == MOST_NAMES


def test_a_server_of_one_process_has_as_many() -> None:
    counts = OwnCounts()
    assert [counts.admits(str(number)) for number in range(MOST_NAMES + 1)].count(
        True
    ) == MOST_NAMES
    assert counts.admits("0") and not counts.admits("one more")
