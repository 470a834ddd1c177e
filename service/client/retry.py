"""When to ask again, and when to give up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from service.client.failures import Refusal


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a call goes on trying.

    A full queue (429) and a server that is not ready (503) are asked again when `Retry-After` says
    so; where it is silent, and after a lost connection, the waits double, each shortened by chance
    so that many clients do not come back at once. Nothing else is tried again.

    Attributes:
        deadline_s: bounds a call, its waits and attempts together. A wait that would end later is
            not begun; the error is raised at once.
        first_delay_s: longest first wait.
        max_delay_s: longest wait, where the server names none.
    """

    deadline_s: float = 30.0
    first_delay_s: float = 0.1
    max_delay_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Where time and chance come from.

    Attributes:
        now_s: seconds that only grow.
        chance: a number from 0 up to 1, a new one each time.
    """

    now_s: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random


class Attempts:
    """The attempts of one call; its deadline starts now."""

    def __init__(self, policy: RetryPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._ends_s = clock.now_s() + policy.deadline_s
        self._failed = 0

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; never quite zero, since no library takes that as a limit."""
        return max(self._ends_s - self._clock.now_s(), 0.001)

    @property
    def over(self) -> bool:
        """Whether the deadline has passed."""
        return self._clock.now_s() >= self._ends_s

    def delay_s(self, refusal: Refusal) -> float:
        """How long to wait before the next attempt.

        Raises:
            TaktError: the refusal's, as there is no point in trying again, or no time.
        """
        if not refusal.again:
            raise refusal.error
        longest_s = min(self._policy.first_delay_s * 2.0**self._failed, self._policy.max_delay_s)
        self._failed += 1
        delay_s = self._clock.chance() * longest_s + (refusal.retry_after_s or 0.0)
        if delay_s >= self._ends_s - self._clock.now_s():
            raise refusal.error
        return delay_s
