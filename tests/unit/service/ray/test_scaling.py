from dataclasses import dataclass, field

import pytest

from takt.ray.scaling import BUSY, QUEUE_WAIT_MS, QueueWait


@dataclass
class Told:
    current_num_replicas: int
    aggregated_metrics: dict[str, dict[str, float]] = field(default_factory=dict)


def told(waits_ms: list[float], busy: list[float]) -> Told:
    figures = {QUEUE_WAIT_MS: waits_ms, BUSY: busy}
    return Told(
        len(waits_ms),
        {name: {str(at): one for at, one in enumerate(those)} for name, those in figures.items()},
    )


def wanted(waits_ms: list[float], busy: list[float], target_ms: float = 50.0) -> float:
    number, _ = QueueWait(target_ms)(told(waits_ms, busy))
    return number


def test_half_as_long_again_as_the_target_asks_for_half_as_many_again() -> None:
    assert wanted([75.0, 75.0], [1.0, 1.0]) == 3.0


def test_the_mean_counts_as_a_picture_may_come_to_any_replica() -> None:
    assert wanted([100.0, 20.0], [1.0, 0.2]) == pytest.approx(2.4)


def test_the_number_at_most_doubles_at_once() -> None:
    assert wanted([5000.0], [1.0]) == 2.0


def test_idle_replicas_go_but_for_one() -> None:
    assert wanted([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]) == 1


def test_none_goes_that_the_others_could_not_do_without_though_nobody_waits() -> None:
    assert wanted([1.0, 1.0], [0.6, 0.6]) == 2


def test_busy_replicas_alone_ask_for_none_more_while_nobody_waits() -> None:
    assert wanted([10.0], [1.0]) == 1


def test_without_figures_yet_the_number_stays() -> None:
    assert QueueWait()(Told(2)) == (2, {})
    assert QueueWait()(Told(0)) == (1, {})
