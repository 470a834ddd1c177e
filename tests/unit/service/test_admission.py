from __future__ import annotations

import math

import pytest

from service.admission import Admission
from service.domain import Priority
from service.errors import QueueFullError


def room(priority: Priority) -> int:
    return 4 if priority == "line" else 2


def test_as_many_as_there_is_room_for_may_wait() -> None:
    admission = Admission(room)
    admission.check(3, 1, "line", math.inf)
    admission.check(1, 1, "bulk", math.inf)
    for waiting, priority in ((4, "line"), (2, "bulk")):
        with pytest.raises(QueueFullError, match=f"{waiting} pictures wait already"):
            admission.check(waiting, 1, priority, math.inf)  # type: ignore[arg-type]


def test_who_would_wait_in_vain_is_told_when_to_come_back() -> None:
    admission = Admission(room)
    admission.pace.ran(1, 2.0)
    admission.check(2, 1, "line", 6.0)
    admission.check(2, 2, "line", 4.0)
    with pytest.raises(QueueFullError, match="would take some 6000 ms") as refused:
        admission.check(2, 1, "line", 3.5)
    assert refused.value.retry_after_s == 3


def test_where_nobody_waits_the_pace_refuses_nobody() -> None:
    admission = Admission(room)
    admission.pace.ran(1, 60.0)
    admission.check(0, 1, "line", 0.001)


def test_nobody_is_sent_away_for_more_than_a_minute() -> None:
    admission = Admission(room)
    admission.pace.ran(1, 1000.0)
    with pytest.raises(QueueFullError) as refused:
        admission.check(4, 1, "line", math.inf)
    assert refused.value.retry_after_s == 60
