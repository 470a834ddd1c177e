"""The registers of a station: whole writes, and reads of one moment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugins.station.tests.controllers import IDLE
from takt_station.cycle.signals import Controls, StationStatus
from takt_station.plc.memory import Memory, NoSuchRegister
from takt_station.plc.registers import RegisterMap


class Station:
    """Keeps what it hears; each status is another moment."""

    def __init__(self) -> None:
        self.heard: list[Controls] = []
        self.moments = 0

    def status(self) -> StationStatus:
        self.moments += 1
        return replace(IDLE, acquisition=self.moments, heartbeat=self.moments)


@pytest.fixture
def station() -> Station:
    return Station()


def memory_of(station: Station, registers: RegisterMap | None = None) -> Memory:
    return Memory(registers or RegisterMap(), station.heard.append, station.status)


def test_a_write_of_all_is_heard_once(station: Station) -> None:
    memory_of(station).write(0, [0b10011, 0, 4, 1, 5])
    assert station.heard == [
        Controls(
            trigger_enable=True, trigger=True, execute_command=True, command=4, part=0x0001_0005
        )
    ]


def test_a_station_that_begins_anew_hears_nothing_before_its_control_bits(
    station: Station,
) -> None:
    """Else the bits that a PLC has not written yet would be 0, and then rise."""
    memory = memory_of(station)
    memory.write(3, [0, 5])
    memory.write(1, [0])
    assert station.heard == []
    memory.write(0, [0b11])
    assert station.heard == [Controls(trigger_enable=True, trigger=True, part=5)]


def test_what_a_write_leaves_out_stays(station: Station) -> None:
    memory = memory_of(station)
    memory.write(3, [0, 5])
    memory.write(0, [0b11])
    assert station.heard[-1] == Controls(trigger_enable=True, trigger=True, part=5)


def test_what_is_read_together_is_of_one_moment(station: Station) -> None:
    words = memory_of(station).read(3000, 16, of_input=True)
    assert words[2 + 2] == words[2 + 12] == 1
    assert station.moments == 1


def test_a_read_of_what_was_written_asks_for_no_moment(station: Station) -> None:
    assert memory_of(station).read(0, 5) == [0] * 5
    assert station.moments == 0


def test_where_both_have_an_address_holding_registers_are_those_that_are_written(
    station: Station,
) -> None:
    memory = memory_of(station, RegisterMap(control=0, status=0, input=2000, output=2000))
    memory.write(0, [1])
    assert memory.read(0, 1) == [1]
    assert memory.read(0, 1, of_input=True) == [0b1000_0001]


def test_a_read_that_goes_on_into_what_is_written_has_that(station: Station) -> None:
    memory = memory_of(station, RegisterMap(control=2010, input=3000, status=1998, output=2000))
    memory.write(2010, [1])
    words = memory.read(1998, 16)
    assert (words[0], words[2 + 2], words[12:]) == (0b1000_0001, 1, [1, 0, 1, 0])


def test_every_word_that_a_signal_has_is_there(station: Station) -> None:
    memory = memory_of(station)
    assert memory.read(0, 53) == [0] * 53
    assert len(memory.read(3000, 16, of_input=True)) == 16


@pytest.mark.parametrize("address", [53, 2002, 2999, 3016, 5006])
def test_a_word_that_no_signal_has_is_not_there(station: Station, address: int) -> None:
    memory = memory_of(station)
    for of_input in (False, True):
        with pytest.raises(NoSuchRegister):
            memory.read(address, 1, of_input=of_input)
    with pytest.raises(NoSuchRegister):
        memory.write(address, [1])


@pytest.mark.parametrize(
    ("address", "count"), [(2, 1), (2999, 2), (3016, 1), (3015, 2), (65535, 2)]
)
def test_input_registers_that_are_not_there_are_refused(
    station: Station, address: int, count: int
) -> None:
    with pytest.raises(NoSuchRegister):
        memory_of(station).read(address, count, of_input=True)


@pytest.mark.parametrize("address", [51, 52, 3000, 3002, 65535])
def test_a_write_beyond_what_is_written_changes_nothing(station: Station, address: int) -> None:
    memory = memory_of(station)
    with pytest.raises(NoSuchRegister):
        memory.write(address, [1, 1, 1])
    assert station.heard == []
    assert memory.read(51, 2) == [0, 0]


def test_a_write_that_the_station_refuses_changes_nothing(station: Station) -> None:
    def refuse(said: Controls) -> None:
        raise RuntimeError("no")

    memory = Memory(RegisterMap(), refuse, station.status)
    with pytest.raises(RuntimeError):
        memory.write(0, [1])
    assert memory.read(0, 1) == [0]


def test_set_user_data_is_acknowledged(station: Station) -> None:
    memory = memory_of(station)
    memory.write(1, [1])
    assert memory.read(3001, 1) == [1]
    memory.write(1, [0])
    assert memory.read(3001, 1) == [0]
