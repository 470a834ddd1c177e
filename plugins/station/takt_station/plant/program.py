"""The program of a PLC, as `docs/plc.md` has it: trigger, results, and a gate that fails safe.

It knows no protocol and no clock: each scan is told the time and what was read, and gives what is
to be written. A part passes the gate only by an OK of its own, read in time, and while the
station's heart beats.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from takt_station.cycle.signals import (
    Controls,
    NoDecisionReason,
    ResultCode,
    ShownResult,
    StationStatus,
)

_MOST_PARTS: Final = 256
"""Parts between trigger and gate whose results are remembered."""


@dataclass(frozen=True, slots=True)
class PlcTiming:
    """The times of a PLC's program.

    Attributes:
        heartbeat_s: between two counts of the station's heartbeat.
        ack_s: time after a part was sensed in which its trigger is acknowledged; else the part is
            rejected, as the picture may be of the next one.
        command_s: time after which a recipe is asked for again.
        clear_s: time after which an error is cleared, as whoever looks after the line does.
    """

    heartbeat_s: float
    ack_s: float = 0.05
    command_s: float = 1.0
    clear_s: float = 2.0


@dataclass(frozen=True, slots=True)
class PartTexts:
    """What a PLC knows of a part besides its number.

    Attributes:
        lot: that it belongs to; empty for none.
        code: that a reader has read off it; empty for none.
    """

    lot: str = ""
    code: str = ""


def no_texts(part: int) -> PartTexts:
    """Nothing is known of any part."""
    return PartTexts()


@dataclass(frozen=True, slots=True)
class GateMove:
    """What the gate has done with a part.

    Attributes:
        part: its number.
        passed: whether it let it pass.
        well: whether the station's heart beat.
        result: what the PLC had read of it by then; None for nothing.
        result_s: when it had, on the conveyor's clock; None for never.
        score: of the part; None where there is none.
        reason: why there is no decision, by the name of a `NoDecisionReason`; where the station was
            not well, of an `OfflineReason`, as far as it is known. None where nothing says so.
    """

    part: int
    passed: bool
    well: bool
    result: str | None
    result_s: float | None
    score: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """A result, and when it was read."""

    code: ResultCode
    score: float
    at_s: float
    reason: str | None = None


class PlcProgram:
    """A PLC's program, a scan at a time.

    >>> program = PlcProgram(PlcTiming(heartbeat_s=0.25), recipe=1)
    >>> program.scan(0.0, None, sensed=7).trigger
    True
    >>> program.passes(0.1, part=7)
    False

    Args:
        timing: its times.
        recipe: number of the recipe that the station is to have in force.
        texts: gives what is known of a part, as it is triggered.
    """

    def __init__(
        self,
        timing: PlcTiming,
        recipe: int,
        texts: Callable[[int], PartTexts] = no_texts,
    ) -> None:
        self._timing = timing
        self._recipe = recipe
        self._texts = texts
        self._said = Controls(trigger_enable=True, buffer_results=True)
        self._sensed: int | None = None
        self._latest: int | None = None
        self._sensed_s = self._part_s = self._commanded_s = float("-inf")
        self._results: OrderedDict[int, _Read] = OrderedDict()
        self._asks = True
        self._recipe_seen = 0
        self._erred_s = math.inf
        self._beat: int | None = None
        self._beat_s = float("-inf")

    @property
    def waits(self) -> bool:
        """Whether the next scan may say something else than this one only because time goes on."""
        return (
            self._said.trigger
            or self._said.execute_command
            or self._sensed is not None
            or self._erred_s != math.inf
        )

    def scan(
        self,
        now_s: float,
        status: StationStatus | None,
        sensed: int | None,
        sensed_s: float | None = None,
    ) -> Controls:
        """One scan.

        Args:
            now_s: seconds that only go on.
            status: what the station says; None where it does not answer.
            sensed: number of a part that has passed the trigger.
            sensed_s: when it did, by the input's own time stamp; now if it has none.

        Returns:
            What is to be written.
        """
        if sensed is not None:
            if sensed != self._latest:
                # A part that is sensed twice has been there since the first time.
                self._latest = sensed
                self._sensed_s = now_s if sensed_s is None else sensed_s
            self._sensed = sensed
        if status is not None:
            self._ask(now_s, status)
            self._watch(now_s, status)
            self._read(now_s, status)
            self._command(now_s, status)
            self._clear(now_s, status)
        self._trigger(now_s, status)
        return self._said

    def passes(self, now_s: float, part: int) -> bool:
        """Whether the gate lets a part pass that is there now; else it is rejected."""
        found = self._results.get(part)
        return found is not None and found.code is ResultCode.OK and self.well(now_s)

    def move(self, now_s: float, part: int) -> GateMove:
        """What the gate does with a part that is there now."""
        found = self._results.get(part)
        return GateMove(
            part=part,
            passed=self.passes(now_s, part),
            well=self.well(now_s),
            result=None if found is None else found.code.name,
            result_s=None if found is None else found.at_s,
            score=None if found is None or math.isnan(found.score) else found.score,
            reason=None if found is None else found.reason,
        )

    def well(self, now_s: float) -> bool:
        """Whether the station's heart has beaten within the last two beats."""
        return now_s - self._beat_s <= 2 * self._timing.heartbeat_s

    def _watch(self, now_s: float, status: StationStatus) -> None:
        # The first count says nothing: it may have stood there for long.
        if self._beat is not None and status.heartbeat != self._beat:
            self._beat_s = now_s
        self._beat = status.heartbeat

    def _read(self, now_s: float, status: StationStatus) -> None:
        """Take the shown result, and acknowledge it until it is gone."""
        result = status.result
        if status.results_valid and result is not None and not self._said.results_ack:
            # A part that was triggered twice passes only if it is good both times.
            before = self._results.get(result.part)
            if before is None or before.code is ResultCode.OK:
                read = _Read(result.code, result.score, now_s, _reason(status, result))
                self._results[result.part] = read
            while len(self._results) > _MOST_PARTS:
                self._results.popitem(last=False)
        if self._said.results_ack is not status.results_valid:
            self._said = replace(self._said, results_ack=status.results_valid)

    def _ask(self, now_s: float, status: StationStatus) -> None:
        """Find out whether the station is to be asked for the recipe.

        It is at the start, and where a station that began anew has none or another one. What
        somebody else puts in force while its heart beats stays.
        """
        has_changed = status.recipe != self._recipe_seen
        if status.recipe == 0 or (has_changed and not self.well(now_s)):
            self._asks = True
        if status.recipe == self._recipe:
            self._asks = False
        self._recipe_seen = status.recipe

    def _command(self, now_s: float, status: StationStatus) -> None:
        """Ask for the recipe, and again after a while."""
        if self._said.execute_command:
            over = status.command_done or status.command_failed
            if over or now_s - self._commanded_s > self._timing.command_s:
                self._said = replace(self._said, execute_command=False)
        elif self._asks and not (status.command_done or status.command_failed):
            self._commanded_s = now_s
            self._said = replace(self._said, execute_command=True, command=self._recipe)

    def _clear(self, now_s: float, status: StationStatus) -> None:
        """Clear an error that has stood for a while."""
        if not (status.fault or status.overrun or status.acquisition_error):
            self._erred_s = math.inf
            if self._said.clear_error:
                self._said = replace(self._said, clear_error=False)
            return
        self._erred_s = min(self._erred_s, now_s)
        if self._said.clear_error:
            # Its edge may not have arrived.
            self._erred_s = now_s
            self._said = replace(self._said, clear_error=False)
        elif now_s - self._erred_s > self._timing.clear_s:
            self._said = replace(self._said, clear_error=True)

    def _trigger(self, now_s: float, status: StationStatus | None) -> None:
        """Trigger the part that was sensed last; one before it is rejected at the gate."""
        taken = status is not None and status.trigger_ack
        if self._said.trigger:
            # Since it was sensed itself: the next one may be there already.
            late = now_s - self._part_s > self._timing.ack_s
            if late:
                # The picture may be of the next part, whatever result comes.
                self._results[self._said.part] = _Read(ResultCode.NONE, math.nan, now_s)
            if taken or late:
                self._said = replace(self._said, trigger=False)
        elif self._sensed is not None and not taken:
            if now_s - self._sensed_s <= self._timing.ack_s:
                texts = self._texts(self._sensed)
                self._said = replace(
                    self._said, trigger=True, part=self._sensed, lot=texts.lot, code=texts.code
                )
                self._part_s = self._sensed_s
            self._sensed = None


def _reason(status: StationStatus, result: ShownResult) -> str | None:
    """Why the part whose result is shown has no decision."""
    reason = result.reason
    if reason is NoDecisionReason.OFFLINE and not status.online:
        return status.offline_reason.name.lower()
    return None if reason is None else reason.value
