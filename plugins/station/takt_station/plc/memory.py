"""The registers of a station: a request reads one moment, and a write is heard as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from takt_station.cycle.signals import Controls, StationStatus
from takt_station.plc.registers import RegisterMap, controls_of, words_of_status
from takt_station.plc.signals import CONTROLS, READ, WORDS, WRITTEN, Block

_SET_USER_DATA = next(one for one in CONTROLS if one.name == "set_user_data")


class NoSuchRegister(LookupError):
    """A request wants a register that is not there, or writes one that is only read."""


class Memory:
    """Takes what is written to the station, and gives what is read of it.

    Args:
        registers: where the registers are.
        controls: hears all that the controller says, once for each write from the first of its
            control bits on.
        status: gives all that it reads, of one moment.

    >>> heard = []
    >>> memory = Memory(RegisterMap(), heard.append, status=lambda: None)
    >>> memory.write(0, [0b11])
    >>> heard[0].trigger, memory.read(0, 2)
    (True, [3, 0])
    """

    def __init__(
        self,
        registers: RegisterMap,
        controls: Callable[[Controls], None],
        status: Callable[[], StationStatus],
    ) -> None:
        self._registers = registers
        self._controls = controls
        self._status = status
        self._words = {block: [0] * WORDS[block] for block in WRITTEN}
        self._has_said = False

    def read(self, address: int, count: int, *, of_input: bool = False) -> list[int]:
        """The words from an address on.

        Args:
            address: of the first one.
            count: how many.
            of_input: whether input registers are asked for, which have only the blocks that are
                read; holding registers have all blocks. Where one of either kind has the same
                address, it is the one that is written.

        Raises:
            NoSuchRegister: not all of them are in a block.
        """
        runs = self._runs(address, count, READ if of_input else (*WRITTEN, *READ))
        words: dict[Block, list[int]] = dict(self._words)
        if any(block in READ for block, _ in runs):
            words |= self._shown()
        return [word for block, run in runs for word in words[block][run]]

    def write(self, address: int, values: Sequence[int]) -> None:
        """Write words from an address on; what the controller says then is heard at once.

        Raises:
            NoSuchRegister: not all of them are in a block that is written; nothing is written then.
        """
        runs = self._runs(address, len(values), WRITTEN)
        words = {block: [*kept] for block, kept in self._words.items()}
        left = iter(values)
        for block, run in runs:
            words[block][run] = islice(left, run.stop - run.start)
        # What was not written yet is not 0: a trigger that stands there would seem to rise later.
        has_said = self._has_said or (Block.CONTROL, 0) in (
            (block, run.start) for block, run in runs
        )
        if has_said:
            self._controls(controls_of(words, self._registers))
        self._words, self._has_said = words, has_said

    def _runs(self, address: int, count: int, blocks: Sequence[Block]) -> list[tuple[Block, slice]]:
        """The words of each block that lie in a range, in order."""
        runs = []
        end = address + count
        while address < end:
            base, block = self._block_at(address, blocks)
            begins = (self._registers.base(other) for other in blocks)
            stop = min(end, base + WORDS[block], *(one for one in begins if one > address))
            runs.append((block, slice(address - base, stop - base)))
            address = stop
        return runs

    def _block_at(self, address: int, blocks: Sequence[Block]) -> tuple[int, Block]:
        """The first of the blocks that has an address, and its own first address."""
        for block in blocks:
            base = self._registers.base(block)
            if base <= address < base + WORDS[block]:
                return base, block
        raise NoSuchRegister(address)

    def _shown(self) -> dict[Block, list[int]]:
        ack = self._words[_SET_USER_DATA.block][_SET_USER_DATA.word] >> _SET_USER_DATA.bit & 1
        return words_of_status(self._status(), self._registers, user_data_ack=bool(ack))
