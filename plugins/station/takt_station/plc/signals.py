"""Every bit and word that a controller writes or reads, declared once.

Names, places and blocks are those that Cognex documents for the Modbus TCP server of its In-Sight
cameras, firmware 5.3.0 and later; what is our own stands in words that are the job's there. Byte 0
of a block of bits is the low byte of its first word.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from takt_station.cycle.signals import NoDecisionReason


class Block(StrEnum):
    """Words that follow each other."""

    CONTROL = "control"
    """Bits that a controller writes."""
    INPUT = "input"
    """Words that a controller writes."""
    STATUS = "status"
    """Bits that a controller reads."""
    OUTPUT = "output"
    """Words that a controller reads."""


WRITTEN: Final = (Block.CONTROL, Block.INPUT)
READ: Final = (Block.STATUS, Block.OUTPUT)


class Kind(StrEnum):
    """What a signal is, as IEC 61131-3 names it."""

    BIT = "BOOL"
    THREE_BITS = "3 bits"
    WORD = "UINT"
    DOUBLE_WORD = "UDINT"
    REAL = "REAL"
    TEXT = "STRING"

    @property
    def mask(self) -> int:
        """Its bits in a word that it may share with others, moved to the right end."""
        return {Kind.BIT: 0b1, Kind.THREE_BITS: 0b111}.get(self, 0xFFFF)


@dataclass(frozen=True, slots=True)
class Signal:
    """A bit or word and its place.

    Attributes:
        block: where it is.
        word: number of its (first) word in the block.
        kind: what it is.
        name: by which the code finds it: an attribute of `Controls`, `StationStatus` or
            `ShownResult` where it is one.
        title: as the manual has it.
        meaning: for whoever programs the controller.
        bit: of its word, its lowest if there are several.
        ours: whether it is not in the manual.
        length: most characters of a text; an even number.
    """

    block: Block
    word: int
    kind: Kind
    name: str
    title: str
    meaning: str
    bit: int = 0
    ours: bool = False
    length: int = 0

    @property
    def words(self) -> int:
        """How many words it takes."""
        if self.kind is Kind.TEXT:
            return self.length // 2
        return 2 if self.kind in (Kind.DOUBLE_WORD, Kind.REAL) else 1


def _control(word: int, bit: int, name: str, title: str, meaning: str) -> Signal:
    return Signal(Block.CONTROL, word, Kind.BIT, name, title, meaning, bit)


def _status(
    word: int, bit: int, name: str, title: str, meaning: str, *, ours: bool = False
) -> Signal:
    return Signal(Block.STATUS, word, Kind.BIT, name, title, meaning, bit, ours)


_input, _output = partial(Signal, Block.INPUT), partial(Signal, Block.OUTPUT)

REASONS: Final = {
    NoDecisionReason.DEADLINE: 1,
    NoDecisionReason.ACQUISITION: 2,
    NoDecisionReason.UNREACHABLE: 3,
    NoDecisionReason.REFUSED: 4,
    NoDecisionReason.UNDECIDED: 5,
    NoDecisionReason.RECIPE: 6,
    NoDecisionReason.VIEW: 7,
    NoDecisionReason.OFFLINE: 8,
    NoDecisionReason.BUSY: 9,
}
"""The numbers of the reasons in their word; 0 is none."""

ACQUISITION_ERROR: Final = 1
OVERRUN_ERROR: Final = 2
FAULT_ERROR: Final = 4
"""What the error code is the sum of."""

CONTROLS: Final = (
    _control(0, 0, "trigger_enable", "Trigger Enable", "Triggers count while it is set."),
    _control(
        0, 1, "trigger", "Trigger", "Its rising edge is a part. Keep it set until `Trigger Ack`."
    ),
    _control(
        0,
        2,
        "buffer_results",
        "Buffer Results Enable",
        "While it is set, each result is shown until it is acknowledged, and up to eight wait;"
        " more wait until they are due. Else the latest is shown.",
    ),
    _control(
        0,
        3,
        "results_ack",
        "Inspection Results Ack",
        "Its rising edge takes the shown result away. The next is shown once it has fallen.",
    ),
    _control(
        0,
        4,
        "execute_command",
        "Execute Command",
        "Its rising edge puts the recipe in force whose number is in `Command`. Keep it set until"
        " `Command Completed` or `Command Failed`.",
    ),
    _control(0, 7, "set_offline", "Set Offline", "The station takes no part while it is set."),
    _control(
        1,
        0,
        "set_user_data",
        "Set User Data",
        "Nothing but `Set User Data Ack` comes of it: the part's number is read at the edge of"
        " `Trigger`.",
    ),
    _control(
        1,
        2,
        "clear_error",
        "Clear Error",
        "Its rising edge clears acquisition error, overrun and fault.",
    ),
    _input(0, Kind.WORD, "command", "Command", "Number of the recipe to put in force."),
    _input(
        1,
        Kind.DOUBLE_WORD,
        "part",
        "User Data 0 and 1: part",
        "The controller's own number of the part, read at the edge of `Trigger`; it comes back with"
        " the part's result. Never give two parts that are under way the same.",
        ours=True,
    ),
    _input(
        3,
        Kind.TEXT,
        "lot",
        "User Data 2 to 17: lot",
        "The lot that the part belongs to, read at the edge of `Trigger`; a first character of 0 is"
        " none.",
        ours=True,
        length=32,
    ),
    _input(
        19,
        Kind.TEXT,
        "code",
        "User Data 18 to 49: code",
        "What a reader has read off the part, such as its serial number, read at the edge of"
        " `Trigger`; a first character of 0 is none. It may name the part's recipe.",
        ours=True,
        length=64,
    ),
)
"""What a controller writes."""

STATUSES: Final = (
    _status(0, 0, "trigger_ready", "Trigger Ready", "A trigger would be taken now."),
    _status(
        0,
        1,
        "trigger_ack",
        "Trigger Ack",
        "The edge of `Trigger` was taken. It falls with `Trigger`.",
    ),
    _status(
        0,
        2,
        "acquiring",
        "Acquiring",
        "A picture is being taken: keep the part where it is. Reserved in firmware 5.x.",
        ours=True,
    ),
    _status(
        0,
        3,
        "acquisition_error",
        "Missed Acq (Acq Error)",
        "The camera gave no picture of a part, until `Clear Error`.",
    ),
    Signal(
        Block.STATUS,
        0,
        Kind.THREE_BITS,
        "offline_reason",
        "Offline Reason",
        "Why no part is taken: 0 it is online, 1 the controller has set it offline, 2 the engine is"
        " not well, 3 a camera is not well, 4 a fault. The manual has other meanings.",
        bit=4,
    ),
    _status(0, 7, "online", "Online", "Parts are taken."),
    _status(0, 8, "inspecting", "System Busy", "A part waits for its verdict."),
    _status(0, 9, "completed", "Inspection Completed", "Toggles with each result."),
    _status(
        0,
        10,
        "overrun",
        "Results Buffer Overrun",
        "A result that was due found eight waiting and is lost, or a trigger came while the station"
        " was not ready; until `Clear Error`.",
    ),
    _status(
        0,
        11,
        "results_valid",
        "Results Valid",
        "The result in the output block was not acknowledged yet.",
    ),
    _status(0, 12, "command_busy", "Command Executing", "A recipe is being put in force."),
    _status(
        0,
        13,
        "command_done",
        "Command Completed",
        "The recipe is in force. It falls with `Execute Command`.",
    ),
    _status(
        0,
        14,
        "command_failed",
        "Command Failed",
        "There is no such recipe, so there will be no decision. It falls with `Execute Command`.",
    ),
    _status(0, 15, "error", "Error", "`Error Code` is not 0."),
    _status(1, 0, "user_data_ack", "Set User Data Ack", "Follows `Set User Data`."),
    _status(1, 4, "job_pass", "Job Pass", "`Results Valid` is set, and the shown result is OK."),
    _output(
        0,
        Kind.WORD,
        "recipe",
        "Current Job ID",
        "Number of the recipe in force; 0 where there is none.",
    ),
    _output(
        1,
        Kind.WORD,
        "error_code",
        "Error Code",
        "Sum of 1 (acquisition error), 2 (overrun) and 4 (fault: verdicts came late several times"
        " in a row); 0 is no error.",
    ),
    _output(
        2,
        Kind.WORD,
        "acquisition",
        "Acquisition ID",
        "Number of the last trigger that was taken: 1 to 65535, then 1 again. It is there with"
        " `Trigger Ack`.",
    ),
    _output(
        3,
        Kind.WORD,
        "result.acquisition",
        "Inspection ID",
        "`Acquisition ID` of the part whose result is shown; 0 before the first.",
    ),
    _output(
        4,
        Kind.WORD,
        "result.code",
        "Inspection Result Code",
        "The result: 1 OK, 2 NG, 3 no decision. 0 is none, and never OK.",
    ),
    _output(
        5,
        Kind.DOUBLE_WORD,
        "result.part",
        "Inspection Results 0 and 1: part",
        "Number of the part, as the controller gave it at the trigger.",
        ours=True,
    ),
    _output(
        7,
        Kind.WORD,
        "result.reason",
        "Inspection Results 2: reason",
        "Why there is no decision; 0 where there is one.",
        ours=True,
    ),
    _output(
        8,
        Kind.REAL,
        "result.score",
        "Inspection Results 3 and 4: score",
        "Score of the part; NaN where there is none.",
        ours=True,
    ),
    _output(
        10,
        Kind.WORD,
        "result.recipe",
        "Inspection Results 5: recipe",
        "Number of the recipe that the part was inspected by.",
        ours=True,
    ),
    _output(
        11,
        Kind.WORD,
        "result.inspection",
        "Inspection Results 6: number",
        "Number of the result: 1 to 65535, then 1 again. If one is left out, a result was lost.",
        ours=True,
    ),
    _output(
        12,
        Kind.WORD,
        "heartbeat",
        "Inspection Results 7: heartbeat",
        "Counts up, and on from 0 after 65535, while engine, camera and station are well. Else it"
        " stands still.",
        ours=True,
    ),
    _output(
        13,
        Kind.WORD,
        "waiting",
        "Inspection Results 8: waiting",
        "Results that were not acknowledged yet, the shown one included.",
        ours=True,
    ),
)
"""What a controller reads."""

SIGNALS: Final = (*CONTROLS, *STATUSES)

WORDS: Final = {
    block: max(one.word + one.words for one in SIGNALS if one.block is block) for block in Block
}
"""The sizes of the blocks; the manual's go on, with words that would mean nothing here."""
