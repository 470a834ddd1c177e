"""What malformed inputs of one kind did to who takes them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """What malformed inputs of one kind did.

    Attributes:
        inputs: how many were sent.
        answers: what came of them, in words of the protocol (`422`, `exception 3`, `closed`).
        wrong: what must not be, one line each: a 5xx, a traceback, a file outside, a wrong answer.
        memory_mib: what the process took at most, above what it took before the first input.
        good: requests of good clients that were answered meanwhile.
        unanswered: requests of good clients that were not.

    >>> outcome = Outcome()
    >>> outcome.note("exception 3")
    >>> outcome.inputs, outcome.answers["exception 3"]
    (1, 1)
    """

    inputs: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory_mib: float = 0.0
    good: int = 0
    unanswered: int = 0

    def note(self, answer: str) -> None:
        """Count one input by what came of it."""
        self.inputs += 1
        self.answers[answer] += 1
