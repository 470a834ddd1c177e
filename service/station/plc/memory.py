"""The registers of a station: a request reads one moment, and a write is heard as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.station.cycle.signals import Controls, Status
from service.station.plc.registers import RegisterMap, controls_of, words_of_status
from service.station.plc.signals import CONTROLS, READ, WORDS, WRITTEN, Block

_SET_USER_DATA = next(one for one in CONTROLS if one.name == "set_user_data")


class NoSuchRegister(LookupError):
    """A request wants a register that is not there, or writes one that is only read."""


class Memory:
    """Takes what is written to the station, and gives what is read of it.

    Args:
        registers: where the registers are.
        controls: hears all that the controller says, once for each write.
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
        status: Callable[[], Status],
    ) -> None:
        self._registers = registers
        self._controls = controls
        self._status = status
        self._words = {block: [0] * WORDS[block] for block in WRITTEN}

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
        blocks = READ if of_input else (*WRITTEN, *READ)
        places = [self._place(one, blocks) for one in range(address, address + count)]
        words: dict[Block, list[int]] = dict(self._words)
        if any(block in READ for block, _ in places):
            words |= self._shown()
        return [words[block][word] for block, word in places]

    def write(self, address: int, values: Sequence[int]) -> None:
        """Write words from an address on; what the controller says then is heard at once.

        Raises:
            NoSuchRegister: not all of them are in a block that is written; nothing is written then.
        """
        words = {block: [*kept] for block, kept in self._words.items()}
        for offset, value in enumerate(values):
            block, word = self._place(address + offset, WRITTEN)
            words[block][word] = value
        self._controls(controls_of(words, self._registers))
        self._words = words

    def _place(self, address: int, blocks: Sequence[Block]) -> tuple[Block, int]:
        for block in blocks:
            if self._registers.base(block) <= address < self._registers.end(block):
                return block, address - self._registers.base(block)
        raise NoSuchRegister(address)

    def _shown(self) -> dict[Block, list[int]]:
        ack = self._words[_SET_USER_DATA.block][_SET_USER_DATA.word] >> _SET_USER_DATA.bit & 1
        shown = words_of_status(self._status(), self._registers, user_data_ack=bool(ack))
        return {
            block: [*found, *[0] * (WORDS[block] - len(found))] for block, found in shown.items()
        }
