"""When a call is tried again, and when it is given up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from takt_client.errors import TaktError
from takt_client.failures import Refusal

_MOST_DOUBLINGS = 60
"""More than any wait needs; the power would overflow after a thousand failures."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds on the attempts of a call.

    A full queue (429) and a server that is not ready (503) are tried again after `Retry-After`.
    Where that header is missing, and after a lost connection, the waits double; chance shortens
    each, so that many clients do not come back at once. Nothing else is tried again.

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
class RetryClock:
    """Source of time and chance.

    Attributes:
        now_s: seconds that only grow.
        chance: a number from 0 up to 1, a new one each time.
    """

    now_s: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random


class RetryListener(Protocol):
    """Hears when something is tried again, where the attempt is made: it must not wait."""

    def waits(self, error: TaktError, delay_s: float) -> None:
        """An attempt failed with `error`; the next one is made after `delay_s`."""

    def succeeded(self) -> None:
        """An attempt succeeded, after others that did not."""


class Attempts:
    """Attempts of one call; its deadline starts now.

    >>> from takt_client.errors import UnreachableError
    >>> attempts = Attempts(RetryPolicy(deadline_s=1.0), RetryClock(chance=lambda: 1.0))
    >>> attempts.delay_s(Refusal(UnreachableError("no answer"), again=True))
    0.1

    Args:
        policy: bounds on the attempts.
        clock: time and chance.
        listener: hears of failed attempts that are made again.
    """

    def __init__(
        self, policy: RetryPolicy, clock: RetryClock, listener: RetryListener | None = None
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._listener = listener
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
        """Seconds to wait before the next attempt.

        Raises:
            TaktError: the refusal's, if there is no point in another attempt, or no time.
        """
        if not refusal.again:
            raise refusal.error
        doubled = 2.0 ** min(self._failed, _MOST_DOUBLINGS)
        longest_s = min(self._policy.first_delay_s * doubled, self._policy.max_delay_s)
        self._failed += 1
        delay_s = self._clock.chance() * longest_s + (refusal.retry_after_s or 0.0)
        if delay_s >= self._ends_s - self._clock.now_s():
            raise refusal.error
        if self._listener is not None:
            self._listener.waits(refusal.error, delay_s)
        return delay_s

    def succeeded(self) -> None:
        """Say that an attempt succeeded."""
        if self._failed and self._listener is not None:
            self._listener.succeeded()
