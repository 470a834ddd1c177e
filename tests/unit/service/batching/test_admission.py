from __future__ import annotations

import math

import pytest

from service.batching.admission import Admission, Backlog, Crowd
from service.domain import Priority
from service.errors import QueueFullError


def room(priority: Priority) -> int:
    return 4 if priority == "line" else 2


def found(waiting: int) -> Backlog:
    """So many, all of which come first."""
    return Backlog(held=waiting, ahead=waiting)


def test_as_many_as_there_is_room_for_may_wait() -> None:
    admission = Admission(room)
    admission.check(found(3), 1, "line", math.inf)
    admission.check(found(1), 1, "bulk", math.inf)
    for waiting, priority in ((4, "line"), (2, "bulk")):
        with pytest.raises(QueueFullError, match=f"{waiting} pictures wait already"):
            admission.check(found(waiting), 1, priority, math.inf)  # type: ignore[arg-type]


def test_who_would_wait_in_vain_is_told_when_to_come_back() -> None:
    admission = Admission(room)
    admission.pace.ran(1, 2.0)
    admission.check(found(2), 1, "line", 7.6)
    admission.check(found(2), 2, "line", 5.1)
    with pytest.raises(QueueFullError, match="would take some 6000 ms") as refused:
        admission.check(found(2), 1, "line", 3.5)
    assert refused.value.retry_after_s == 3


def test_where_nobody_waits_the_pace_refuses_nobody() -> None:
    admission = Admission(room)
    admission.pace.ran(1, 60.0)
    admission.check(found(0), 1, "line", 0.001)


def test_nobody_is_sent_away_for_more_than_a_minute() -> None:
    admission = Admission(room)
    admission.pace.ran(1, 1000.0)
    with pytest.raises(QueueFullError) as refused:
        admission.check(found(4), 1, "line", math.inf)
    assert refused.value.retry_after_s == 60


def test_who_overtakes_does_not_wait_for_those_behind() -> None:
    admission = Admission(room)
    admission.pace.ran(1, 2.0)
    admission.check(Backlog(held=3, ahead=0), 1, "line", 0.1)
    with pytest.raises(QueueFullError, match="1 pictures come first"):
        admission.check(Backlog(held=3, ahead=1), 1, "line", 0.1)


def test_the_wait_for_decoding_counts() -> None:
    admission = Admission(room)
    admission.check(Backlog(before_s=1.0), 1, "line", 1.3)
    with pytest.raises(QueueFullError, match="some 1000 ms"):
        admission.check(Backlog(before_s=1.0), 1, "line", 1.2)


def test_a_crowd_counts_by_priority_as_long_as_the_block_lasts() -> None:
    crowd = Crowd()
    with crowd.one("line"), crowd.one("bulk"), crowd.one("bulk"):
        assert (len(crowd), crowd.ahead_of("line"), crowd.ahead_of("bulk")) == (3, 1, 3)
    with pytest.raises(KeyError), crowd.one("line"):
        raise KeyError
    assert len(crowd) == 0
