import pytest

from takt_client.errors import InvalidImageError, NotReadyError, QueueFullError, UnreachableError
from takt_client.failures import Refusal
from takt_client.retry import Attempts, RetryPolicy

LOST = Refusal(UnreachableError("gone"), again=True)


def test_waits_double_up_to_the_longest(time) -> None:
    policy = RetryPolicy(deadline_s=100, first_delay_s=0.5, max_delay_s=3)
    attempts = Attempts(policy, time.clock)
    assert [attempts.delay_s(LOST) for _ in range(5)] == [0.5, 1, 2, 3, 3]


def test_the_server_s_word_on_when_to_come_back_is_kept(time) -> None:
    attempts = Attempts(RetryPolicy(first_delay_s=0.5), time.clock)
    full = Refusal(QueueFullError("full", 4), again=True, retry_after_s=4.0)
    assert attempts.delay_s(full) == 4.5


def test_a_wait_that_would_outlast_the_deadline_is_not_begun(time) -> None:
    attempts = Attempts(RetryPolicy(deadline_s=3), time.clock)
    late = Refusal(NotReadyError("loading"), again=True, retry_after_s=3.0)
    with pytest.raises(NotReadyError, match="loading"):
        attempts.delay_s(late)


def test_what_cannot_succeed_is_not_tried_again(time) -> None:
    attempts = Attempts(RetryPolicy(), time.clock)
    with pytest.raises(InvalidImageError):
        attempts.delay_s(Refusal(InvalidImageError("cut short"), again=False))


def test_the_deadline_bounds_waits_and_attempts_together(time) -> None:
    attempts = Attempts(RetryPolicy(deadline_s=2), time.clock)
    time.sleep(1.5)
    assert attempts.remaining_s == 0.5
    time.sleep(10)
    assert 0 < attempts.remaining_s <= 0.001
    with pytest.raises(UnreachableError):
        attempts.delay_s(LOST)


def test_a_thousand_failures_do_not_overflow(time) -> None:
    attempts = Attempts(RetryPolicy(deadline_s=1e9), time.clock)
    assert [attempts.delay_s(LOST) for _ in range(2000)][-1] == 5.0
