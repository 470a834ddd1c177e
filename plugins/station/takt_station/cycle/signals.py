"""What a controller says to a station, and what it reads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class ResultCode(IntEnum):
    """The result of a part; 0 is never one, as a register that nobody wrote says nothing."""

    NONE = 0
    OK = 1
    NG = 2
    NO_DECISION = 3


class NoDecisionReason(StrEnum):
    """Why there is no decision on a part."""

    DEADLINE = "deadline"
    """No verdict came in time."""
    ACQUISITION = "acquisition"
    """The camera gave no picture."""
    UNREACHABLE = "unreachable"
    """The server could not be asked."""
    REFUSED = "refused"
    """The server refused, such as with a full queue."""
    UNDECIDED = "undecided"
    """The picture cannot be judged."""
    RECIPE = "unknown_recipe"
    """There is no recipe of the number that the controller named last, or none of the code."""
    VIEW = "missing_view"
    """Not all views of the part were there."""
    OFFLINE = "offline"
    """Engine, camera or station were not well."""
    BUSY = "busy"
    """The trigger came while the station was not ready for one."""


class OfflineReason(IntEnum):
    """Why a station takes no part."""

    NONE = 0
    SET_OFFLINE = 1
    """The controller has said so."""
    ENGINE = 2
    """The server does not answer, or its model is not ready."""
    CAMERA = 3
    """A camera does not answer."""
    FAULT = 4
    """Verdicts came late several times in a row."""


@dataclass(frozen=True, slots=True)
class Controls:
    """All that the controller says, read at once.

    Attributes:
        trigger_enable: whether triggers count.
        trigger: its rising edge is a part.
        buffer_results: whether results wait until they are acknowledged; else the latest is shown.
        results_ack: its rising edge takes the result that is shown away.
        execute_command: its rising edge puts the recipe of the number `command` in force.
        set_offline: whether the station is to take no part.
        clear_error: its rising edge clears acquisition error, overrun and fault.
        command: number of a recipe.
        part: the controller's own id of the part, which comes back with its result.
        lot: that the part belongs to; empty where the controller names none, None where what it
            says is no text.
        code: what a reader has read off the part; empty and None as for the lot.
    """

    trigger_enable: bool = False
    trigger: bool = False
    buffer_results: bool = False
    results_ack: bool = False
    execute_command: bool = False
    set_offline: bool = False
    clear_error: bool = False
    command: int = 0
    part: int = 0
    lot: str | None = ""
    code: str | None = ""


@dataclass(frozen=True, slots=True)
class ShownResult:
    """A result as the controller reads it.

    Attributes:
        acquisition: id of the trigger: 1 to 65535, then 1 again.
        part: as the controller named it at the trigger's edge.
        inspection: number of the result: 1 to 65535, then 1 again.
        code: the result.
        reason: why there is no decision; None where there is one.
        score: of the part; NaN where there is none.
        recipe: number of the recipe that the part was inspected by.
    """

    acquisition: int
    part: int
    inspection: int
    code: ResultCode
    reason: NoDecisionReason | None
    score: float
    recipe: int


@dataclass(frozen=True, slots=True)
class StationStatus:
    """All that the controller reads, of one moment.

    Attributes:
        online: whether parts are taken.
        offline_reason: why not.
        trigger_ready: whether a trigger is taken now.
        trigger_ack: whether the edge of `trigger` was taken; cleared with it.
        acquiring: whether a picture is being taken.
        acquisition_error: whether a camera gave no picture since that was cleared.
        inspecting: whether a part waits for its verdict.
        completed: toggles with each result.
        results_valid: whether `result` is one that was not acknowledged.
        overrun: whether a result found the buffer full, or a trigger the station not ready.
        fault: whether verdicts came late several times in a row.
        command_busy: whether a recipe is being put in force.
        command_done: whether that is done; cleared with `execute_command`.
        command_failed: whether there is no such recipe; cleared with `execute_command`.
        recipe: number of the recipe in force; 0 where there is none.
        acquisition: id of the last trigger that was taken.
        heartbeat: counts up to 65535 and on from 0 while the station is well; else it stands still.
        waiting: results that wait to be acknowledged, the one that is shown included.
        result: the one that is shown; None before the first.
    """

    online: bool
    offline_reason: OfflineReason
    trigger_ready: bool
    trigger_ack: bool
    acquiring: bool
    acquisition_error: bool
    inspecting: bool
    completed: bool
    results_valid: bool
    overrun: bool
    fault: bool
    command_busy: bool
    command_done: bool
    command_failed: bool
    recipe: int
    acquisition: int
    heartbeat: int
    waiting: int
    result: ShownResult | None
