import math
from dataclasses import dataclass

from takt.core.batching.priority_queue import PriorityQueue


@dataclass(frozen=True)
class Part:
    name: str
    arrived_s: float = 0.0
    deadline_s: float = math.inf
    alone: bool = False


def names(parts: list[Part]) -> str:
    return "".join(part.name for part in parts)


def test_the_line_goes_before_the_bulk_and_each_keeps_its_order() -> None:
    queue = PriorityQueue()
    for name in "abcd":
        queue.append(Part(name), "bulk")
    for name in "xy":
        queue.append(Part(name), "line")
    assert len(queue) == 6
    assert names(queue.take(3, 0, [])) == "xya"
    assert names(queue.take(9, 0, [])) == "bcd"


def test_what_has_expired_is_set_aside_and_takes_no_place() -> None:
    queue = PriorityQueue()
    for name, deadline_s in (("a", 1.0), ("b", 3.0), ("c", 2.0), ("d", 4.0)):
        queue.append(Part(name, deadline_s=deadline_s), "line")
    expired: list[Part] = []
    assert names(queue.take(2, 2.0, expired)) == "bd"
    assert names(expired) == "ac"
    assert len(queue) == 0


def test_only_what_is_met_before_the_batch_is_full_is_set_aside() -> None:
    queue = PriorityQueue()
    queue.append(Part("a"), "line")
    queue.append(Part("b", deadline_s=1.0), "line")
    expired: list[Part] = []
    assert names(queue.take(1, 2.0, expired)) == "a"
    assert (expired, len(queue)) == ([], 1)


def test_the_oldest_may_wait_in_either_priority() -> None:
    queue = PriorityQueue()
    assert queue.oldest_s > 1e300
    queue.append(Part("a", arrived_s=2.0), "line")
    queue.append(Part("b", arrived_s=1.0), "bulk")
    assert queue.oldest_s == 1.0


def test_an_item_is_taken_out_once() -> None:
    queue = PriorityQueue()
    parts = Part("a"), Part("b"), Part("c")
    queue.append(parts[0], "line")
    queue.append(parts[1], "bulk")
    assert [queue.remove(part) for part in (parts[1], parts[1], parts[2])] == [True, False, False]
    assert queue.clear() == [parts[0]]
    assert len(queue) == 0


def test_only_the_line_is_ahead_of_the_line() -> None:
    queue = PriorityQueue()
    queue.append(Part("a"), "bulk")
    queue.append(Part("b"), "line")
    queue.append(Part("c"), "bulk")
    assert (queue.ahead_of("line"), queue.ahead_of("bulk")) == (1, 3)


def test_the_earliest_deadline_is_that_of_both_priorities() -> None:
    queue = PriorityQueue()
    assert queue.earliest_deadline_s == math.inf
    queue.append(Part("a", deadline_s=3.0), "bulk")
    queue.append(Part("b", deadline_s=5.0), "line")
    assert queue.earliest_deadline_s == 3.0


def test_one_that_is_alone_is_taken_without_others_in_its_turn() -> None:
    queue = PriorityQueue()
    for name in "abCd":
        queue.append(Part(name, alone=name.isupper()), "line")
    queue.append(Part("e"), "bulk")
    assert [names(queue.take(9, 0, [])) for _ in range(3)] == ["ab", "C", "de"]


def test_one_that_is_alone_and_has_expired_lets_the_next_ones_pass() -> None:
    queue = PriorityQueue()
    queue.append(Part("A", deadline_s=1.0, alone=True), "line")
    queue.append(Part("b"), "line")
    expired: list[Part] = []
    assert names(queue.take(9, 2.0, expired)) == "b"
    assert names(expired) == "A"
