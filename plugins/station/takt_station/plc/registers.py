"""What a controller says and reads as words of 16 bits, and back; and where these words are."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from operator import attrgetter
from typing import Any, Final

from takt.core.errors import ConfigurationError
from takt_station.cycle.signals import (
    Controls,
    OfflineReason,
    ResultCode,
    ShownResult,
    StationStatus,
)
from takt_station.plc.signals import (
    ACQUISITION_ERROR,
    CONTROLS,
    FAULT_ERROR,
    OVERRUN_ERROR,
    READ,
    REASONS,
    STATUSES,
    WORDS,
    WRITTEN,
    Block,
    Kind,
    Signal,
)

_ADDRESSES: Final = 65536
_NO_RESULT: Final = ShownResult(0, 0, 0, ResultCode.NONE, None, math.nan, 0)
"""What is read before the first one."""

_REASON_OF: Final = {number: reason for reason, number in REASONS.items()}

Values = Mapping[str, float | str | None]
"""By the name of a signal."""

_PRINTABLE: Final = frozenset(range(0x20, 0x7F))


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """Where the blocks begin, and how two words are one number.

    By default the blocks that are written follow each other, and so do those that are read: one
    request writes all, and one reads all of one moment.

    Attributes:
        control: first address of the control block.
        input: first address of the input block.
        status: first address of the status block.
        output: first address of the output block.
        high_word_first: whether the first word of two is the high one.
        high_byte_first: whether the first character of two in a word is in its high byte.

    Raises:
        ConfigurationError: blocks overlap that are both written or both read, or one ends beyond
            the last address.

    >>> RegisterMap().address(CONTROLS[-1])
    21
    """

    control: int = 0
    input: int = 2
    status: int = 3000
    output: int = 3002
    high_word_first: bool = True
    high_byte_first: bool = True

    def __post_init__(self) -> None:
        for block in Block:
            if not 0 <= self.base(block) <= _ADDRESSES - WORDS[block]:
                raise ConfigurationError(
                    f"the block {block} of {WORDS[block]} words cannot begin at"
                    f" {self.base(block)}; give it an address from 0 to"
                    f" {_ADDRESSES - WORDS[block]}"
                )
        for one, other in (WRITTEN, READ):
            if self.base(one) < self.end(other) and self.base(other) < self.end(one):
                raise ConfigurationError(
                    f"the blocks {self._placed(one)} and {self._placed(other)} overlap;"
                    " move one of them"
                )

    def base(self, block: Block) -> int:
        """The first address of a block."""
        return int(getattr(self, block.value))

    def end(self, block: Block) -> int:
        """The address behind a block."""
        return self.base(block) + WORDS[block]

    def address(self, signal: Signal) -> int:
        """The address of a signal's first word."""
        return self.base(signal.block) + signal.word

    def _placed(self, block: Block) -> str:
        return f"{block} ({self.base(block)} to {self.end(block) - 1})"


def controls_of(words: Mapping[Block, Sequence[int]], registers: RegisterMap) -> Controls:
    """What a controller says.

    Args:
        words: of the control and input blocks.
        registers: how words are numbers and texts.
    """
    values = _read(CONTROLS, words, registers)
    del values["set_user_data"]
    return Controls(**values)


def words_of_controls(controls: Controls, registers: RegisterMap) -> dict[Block, list[int]]:
    """What a controller writes to say it: the control and input blocks.

    >>> said = Controls(trigger_enable=True, trigger=True, part=70000, lot="L7")
    >>> words = words_of_controls(said, RegisterMap())
    >>> words[Block.CONTROL], words[Block.INPUT][:5]
    ([3, 0], [0, 1, 4464, 19511, 0])

    Raises:
        ValueError: a number or text has no room in its words, or a text is none.
    """
    return _written(CONTROLS, asdict(controls) | {"set_user_data": False}, registers)


def words_of_status(
    status: StationStatus, registers: RegisterMap, *, user_data_ack: bool = False
) -> dict[Block, list[int]]:
    """What a controller reads: the status and output blocks."""
    result = status.result or _NO_RESULT
    shown = replace(status, result=result)
    error_code = (
        ACQUISITION_ERROR * status.acquisition_error
        + OVERRUN_ERROR * status.overrun
        + FAULT_ERROR * status.fault
    )
    values: dict[str, float | str | None] = {
        "error": error_code > 0,
        "error_code": error_code,
        "job_pass": status.results_valid and result.code is ResultCode.OK,
        "user_data_ack": user_data_ack,
        "result.reason": REASONS[result.reason] if result.reason else 0,
    }
    for signal in STATUSES:
        if signal.name not in values:
            values[signal.name] = attrgetter(signal.name)(shown)
    return _written(STATUSES, values, registers)


def status_of(words: Mapping[Block, Sequence[int]], registers: RegisterMap) -> StationStatus:
    """What a controller has read.

    Args:
        words: of the status and output blocks.
        registers: how two words are one number.

    Raises:
        ValueError: these are no words of a station.
    """
    values = _read(STATUSES, words, registers)
    said = {one.name: values[one.name] for one in fields(StationStatus) if one.name in values}
    said["offline_reason"] = OfflineReason(values["offline_reason"])
    said["fault"] = bool(values["error_code"] & FAULT_ERROR)
    if not values["result.acquisition"]:
        return StationStatus(**said, result=None)
    shown = {one.name: values[f"result.{one.name}"] for one in fields(ShownResult)}
    reason = shown["reason"]
    if reason and reason not in _REASON_OF:
        raise ValueError(f"{reason} is the number of no reason")
    shown |= {"code": ResultCode(shown["code"]), "reason": _REASON_OF.get(reason)}
    return StationStatus(**said, result=ShownResult(**shown))


def _written(
    signals: Sequence[Signal], values: Values, registers: RegisterMap
) -> dict[Block, list[int]]:
    words: dict[Block, list[int]] = {}
    for signal in signals:
        block = words.setdefault(signal.block, [])
        block.extend([0] * (signal.word + signal.words - len(block)))
        for place, word in enumerate(_encoded(signal, values[signal.name], registers), signal.word):
            block[place] |= word
    return words


def _encoded(signal: Signal, value: float | str | None, registers: RegisterMap) -> list[int]:
    if signal.kind is Kind.TEXT:
        return _words_of_text(signal, value, registers)
    assert isinstance(value, int | float)
    if signal.words == 1:
        if not 0 <= value <= signal.kind.mask:
            raise ValueError(f"{signal.title} cannot be {value}")
        return [int(value) << signal.bit]
    pair = _real(value) if signal.kind is Kind.REAL else struct.pack(">I", value)
    high, low = struct.unpack(">HH", pair)
    return [high, low] if registers.high_word_first else [low, high]


def _words_of_text(signal: Signal, value: float | str | None, registers: RegisterMap) -> list[int]:
    if not isinstance(value, str) or not _PRINTABLE.issuperset(map(ord, value)):
        raise ValueError(f"{signal.title} cannot be {value!r}; it is printable ASCII")
    if len(value) > signal.length:
        raise ValueError(f"{signal.title} has at most {signal.length} characters")
    packed = value.encode("ascii").ljust(signal.length, b"\0")
    return [*struct.unpack(_order(registers) + "H" * signal.words, packed)]


def _text(words: Sequence[int], registers: RegisterMap) -> str | None:
    """A text up to its first 0, without blanks around it; None where that is no printable ASCII.

    What stands behind the 0 is left of a longer one, and says nothing.
    """
    packed = struct.pack(_order(registers) + "H" * len(words), *words)
    said = packed.partition(b"\0")[0]
    return said.decode("ascii").strip(" ") if _PRINTABLE.issuperset(said) else None


def _order(registers: RegisterMap) -> str:
    return ">" if registers.high_byte_first else "<"


def _real(value: float) -> bytes:
    try:
        return struct.pack(">f", value)
    except OverflowError:
        return struct.pack(">f", math.copysign(math.inf, value))


def _read(
    signals: Sequence[Signal], words: Mapping[Block, Sequence[int]], registers: RegisterMap
) -> dict[str, Any]:
    """By the names of signals, what each says: a truth, a number or a text."""
    return {one.name: _decoded(one, words[one.block], registers) for one in signals}


def _decoded(
    signal: Signal, block: Sequence[int], registers: RegisterMap
) -> bool | float | str | None:
    if signal.kind is Kind.BIT:
        return bool(block[signal.word] >> signal.bit & 1)
    words = block[signal.word : signal.word + signal.words]
    if signal.kind is Kind.TEXT:
        return _text(words, registers)
    if signal.words == 1:
        return (words[0] >> signal.bit) & signal.kind.mask
    packed = struct.pack(">HH", *(words if registers.high_word_first else reversed(words)))
    number: float = struct.unpack(">f" if signal.kind is Kind.REAL else ">I", packed)[0]
    return number
