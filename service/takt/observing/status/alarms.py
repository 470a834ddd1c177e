"""Which conditions hold, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from takt.observing.status.conditions import CONDITIONS, Condition
from takt.observing.status.readings import Labels, Readings


@dataclass(frozen=True, slots=True)
class Alarm:
    """One case of a condition that holds.

    Attributes:
        condition: the condition.
        labels: values of its labels.
        value: how far it holds.
        since_s: when it began to, on the monotonic clock.
        firing: whether it has held for as long as it must.
    """

    condition: Condition
    labels: Labels
    value: float
    since_s: float
    firing: bool

    @property
    def text(self) -> str:
        """What holds, in a sentence."""
        return self.condition.sentence(self.labels, self.value)


class Alarms:
    """Remembers since when each condition holds.

    Args:
        conditions: that may hold, the gravest first.
    """

    def __init__(self, conditions: Sequence[Condition] = CONDITIONS) -> None:
        self._conditions = conditions
        self._since_s: dict[tuple[str, Labels], float] = {}

    def update(self, readings: Readings) -> list[Alarm]:
        """The conditions that hold at these readings; those that no longer do are forgotten."""
        now_s = readings.now.at_s
        held = [
            (condition, labels, value)
            for condition in self._conditions
            for labels, value in sorted(condition.find(readings).items())
        ]
        self._since_s = {
            (condition.name, labels): self._since_s.get((condition.name, labels), now_s)
            for condition, labels, _ in held
        }
        alarms = []
        for condition, labels, value in held:
            since_s = self._since_s[condition.name, labels]
            firing = now_s - since_s >= condition.for_s
            alarms.append(Alarm(condition, labels, value, since_s, firing))
        return alarms
