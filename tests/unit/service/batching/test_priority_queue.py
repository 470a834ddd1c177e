import math
from dataclasses import dataclass

from service.batching.priority_queue import Lanes


@dataclass(frozen=True)
class Part:
    name: str
    arrived_s: float = 0.0
    deadline_s: float = math.inf


def names(parts: list[Part]) -> str:
    return "".join(part.name for part in parts)


def test_the_line_goes_before_the_bulk_and_each_keeps_its_order() -> None:
    lanes: Lanes[Part] = Lanes()
    for name in "abcd":
        lanes.append(Part(name), "bulk")
    for name in "xy":
        lanes.append(Part(name), "line")
    assert len(lanes) == 6
    assert names(lanes.take(3, 0, [])) == "xya"
    assert names(lanes.take(9, 0, [])) == "bcd"


def test_what_has_expired_is_set_aside_and_takes_no_place() -> None:
    lanes: Lanes[Part] = Lanes()
    for name, deadline_s in (("a", 1.0), ("b", 3.0), ("c", 2.0), ("d", 4.0)):
        lanes.append(Part(name, deadline_s=deadline_s), "line")
    expired: list[Part] = []
    assert names(lanes.take(2, 2.0, expired)) == "bd"
    assert names(expired) == "ac"
    assert len(lanes) == 0


def test_only_what_is_met_before_the_batch_is_full_is_set_aside() -> None:
    lanes: Lanes[Part] = Lanes()
    lanes.append(Part("a"), "line")
    lanes.append(Part("b", deadline_s=1.0), "line")
    expired: list[Part] = []
    assert names(lanes.take(1, 2.0, expired)) == "a"
    assert (expired, len(lanes)) == ([], 1)


def test_the_oldest_may_wait_in_either_lane() -> None:
    lanes: Lanes[Part] = Lanes()
    assert lanes.oldest_s > 1e300
    lanes.append(Part("a", arrived_s=2.0), "line")
    lanes.append(Part("b", arrived_s=1.0), "bulk")
    assert lanes.oldest_s == 1.0


def test_an_item_is_taken_out_once() -> None:
    lanes: Lanes[Part] = Lanes()
    parts = Part("a"), Part("b"), Part("c")
    lanes.append(parts[0], "line")
    lanes.append(parts[1], "bulk")
    assert [lanes.remove(part) for part in (parts[1], parts[1], parts[2])] == [True, False, False]
    assert lanes.clear() == [parts[0]]
    assert len(lanes) == 0


def test_only_the_line_is_ahead_of_the_line() -> None:
    lanes: Lanes[Part] = Lanes()
    lanes.append(Part("a"), "bulk")
    lanes.append(Part("b"), "line")
    lanes.append(Part("c"), "bulk")
    assert (lanes.ahead_of("line"), lanes.ahead_of("bulk")) == (1, 3)


def test_the_earliest_deadline_is_that_of_both_lanes() -> None:
    lanes: Lanes[Part] = Lanes()
    assert lanes.earliest_deadline_s == math.inf
    lanes.append(Part("a", deadline_s=3.0), "bulk")
    lanes.append(Part("b", deadline_s=5.0), "line")
    assert lanes.earliest_deadline_s == 3.0
