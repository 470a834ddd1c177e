from __future__ import annotations

import pytest

from takt_models.fit.optim.schedule import (
    MOST_STEPS,
    PACE_STEPS,
    PATIENCE,
    UNKNOWN,
    WARM_UP_STEPS,
    Schedule,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def run(schedule: Schedule, clock: Clock, first_s: float, pace_s: float) -> None:
    for done in range(1, PACE_STEPS + 1):
        clock.now_s += first_s if done <= WARM_UP_STEPS else pace_s
        schedule.tick(done)


def timed(steps: int) -> Schedule:
    """One whose time allows so many steps."""
    schedule = Schedule(None, 1.0, 0.4)
    schedule.load_state_dict({"steps": steps, "best": float("inf"), "without_gain": 0})
    return schedule


def test_a_given_number_of_steps_is_taken_whatever_the_pace() -> None:
    clock = Clock()
    schedule = Schedule(7, 1.0, 0.4, clock)
    run(schedule, clock, 50.0, 50.0)
    assert schedule.steps == 7


def test_a_time_becomes_the_steps_that_fit_into_it() -> None:
    clock = Clock()
    schedule = Schedule(None, 10.0, 0.4, clock)
    assert schedule.steps == UNKNOWN
    run(schedule, clock, 3.0, 0.5)
    total_s = 4 * 3.0 + (schedule.steps - 4) * 0.5
    assert 0.91 * 600 < total_s <= 600


def test_what_came_before_the_first_step_counts_as_time() -> None:
    clock = Clock()
    late = Schedule(None, 10.0, 0.4, clock)
    clock.now_s += 300
    run(late, clock, 0.5, 0.5)
    assert 0.42 * 600 / 0.5 < late.steps < 0.5 * 600 / 0.5


def test_a_time_that_is_over_at_once_still_gives_a_fit() -> None:
    clock = Clock()
    schedule = Schedule(None, 0.001, 0.4, clock)
    run(schedule, clock, 9.0, 9.0)
    assert schedule.steps == PACE_STEPS + 1


def test_nobody_needs_more_steps_than_the_paper() -> None:
    clock = Clock()
    schedule = Schedule(None, 1e6, 0.4, clock)
    run(schedule, clock, 0.1, 0.1)
    assert schedule.steps == MOST_STEPS


def test_a_plateau_lets_the_learning_rate_fall_at_once() -> None:
    schedule = timed(10_000)
    schedule.look(100, 1.0)
    for look in range(PATIENCE):
        assert schedule.steps == 10_000
        schedule.look(200 + 100 * look, 0.999)
    # 500 steps were free, and are 40 % of what the fit takes now.
    assert schedule.steps == 1250


def test_a_gain_starts_the_count_anew() -> None:
    schedule = timed(10_000)
    for look in range(3 * PATIENCE):
        schedule.look(100 * (look + 1), 1.0 * 0.99**look)
    assert schedule.steps == 10_000


def test_a_fit_whose_learning_rate_falls_already_is_not_cut_short() -> None:
    schedule = timed(1000)
    for done in range(400, 1000, 50):
        schedule.look(done, 1.0)
    assert schedule.steps == 1000


def test_a_given_number_of_steps_is_taken_whatever_is_gained() -> None:
    schedule = Schedule(1000, 1.0, 0.4)
    for done in range(10, 1000, 10):
        schedule.look(done, 1.0)
    assert schedule.steps == 1000


@pytest.mark.parametrize("looks", [0, 2])
def test_a_schedule_goes_on_from_its_state(looks: int) -> None:
    clock = Clock()
    before = Schedule(None, 10.0, 0.4, clock)
    run(before, clock, 0.1, 0.1)
    for look in range(looks):
        before.look(look + 1, 1.0)
    after = Schedule(None, 999.0, 0.4, clock)
    after.load_state_dict(before.state_dict())
    assert after.state_dict() == before.state_dict()
    after.tick(PACE_STEPS)
    assert after.steps == before.steps


def test_a_fit_that_was_stopped_before_its_pace_was_known_finds_it_when_it_goes_on() -> None:
    clock = Clock()
    before = Schedule(None, 10.0, 0.4, clock)
    for done in range(1, 10):
        before.tick(done)
    after = Schedule(None, 10.0, 0.4, clock)
    after.load_state_dict(before.state_dict())
    for done in range(10, 10 + PACE_STEPS):
        clock.now_s += 0.5
        after.tick(done)
    assert 0.88 * 600 / 0.5 < after.steps <= 600 / 0.5
