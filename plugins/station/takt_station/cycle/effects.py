"""What the state machine of a cycle wants done, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass

from takt_station.cycle.signals import NoDecisionReason, ResultCode


@dataclass(frozen=True, slots=True)
class PartInCycle:
    """A part between its trigger and its result.

    Attributes:
        sequence: number of the part since the station began; it never comes again.
        acquisition: id of the trigger: 1 to 65535, then 1 again.
        part: the controller's own id of it.
        recipe: number of its recipe: the one that its code names, or that was in force at its
            trigger; 0 where there is none.
        triggered_s: time of the trigger's edge.
        due_s: time by which its result is given.
        lot: that it belongs to, as `Controls` has it.
        code: that was read off it, as `Controls` has it.
        by_code: whether its recipe is a matter of its code.
    """

    sequence: int
    acquisition: int
    part: int
    recipe: int
    triggered_s: float
    due_s: float
    lot: str | None = ""
    code: str | None = ""
    by_code: bool = False


@dataclass(frozen=True, slots=True)
class PartDecision:
    """What is decided of a part.

    Attributes:
        code: the result.
        reason: why there is no decision; None where there is one.
        score: of the part; NaN where there is none.
        decided_by: name of the view that decided; None where all are good, or nobody said.
        witness: what decided that this view is a defect: `score` or `region`; None where none is.
    """

    code: ResultCode
    reason: NoDecisionReason | None = None
    score: float = float("nan")
    decided_by: str | None = None
    witness: str | None = None


def no_decision(reason: NoDecisionReason, score: float = float("nan")) -> PartDecision:
    """There is no decision on a part.

    >>> no_decision(NoDecisionReason.DEADLINE).code.name
    'NO_DECISION'
    """
    return PartDecision(ResultCode.NO_DECISION, reason, score)


@dataclass(frozen=True, slots=True)
class Acquire:
    """Take the picture of a part, and have it inspected."""

    part: PartInCycle


@dataclass(frozen=True, slots=True)
class ChangeRecipe:
    """Find the recipe of a number, and say whether there is one."""

    number: int


@dataclass(frozen=True, slots=True)
class Given:
    """A part has its result; no other follows for it.

    Attributes:
        part: the part.
        decision: the result.
        inspection: number of the result: 1 to 65535, then 1 again.
        at_s: time at which the controller can read it, or could if its buffer had room.
        shown: whether it had: a result that finds the buffer full is lost to the controller.
    """

    part: PartInCycle
    decision: PartDecision
    inspection: int
    at_s: float
    shown: bool


@dataclass(frozen=True, slots=True)
class CameLate:
    """A verdict came after its part had its result: it is told, and never shown.

    That there is none is nothing more than its result has said.

    Attributes:
        part: the part.
        decision: what would have been its result.
        late_ms: time since the result was given.
    """

    part: PartInCycle
    decision: PartDecision
    late_ms: float


@dataclass(frozen=True, slots=True)
class Faulted:
    """Verdicts came late several times in a row; no part is taken until that is cleared."""

    late: int


Effect = Acquire | ChangeRecipe | Given | CameLate | Faulted
