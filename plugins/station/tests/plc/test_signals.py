"""The table of signals: nothing lies on something else, and nothing is forgotten."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

from takt_station.cycle.signals import Controls, NoDecisionReason, ShownResult, StationStatus
from takt_station.plc.signals import (
    CONTROLS,
    READ,
    REASONS,
    SIGNALS,
    STATUSES,
    WORDS,
    WRITTEN,
    Kind,
)


def test_no_two_signals_share_a_bit() -> None:
    taken = Counter(
        (signal.block, signal.word + further, signal.bit + bit)
        for signal in SIGNALS
        for further in range(signal.words)
        for bit in range(signal.kind.mask.bit_length())
    )
    assert [place for place, count in taken.items() if count > 1] == []
    assert all(word < WORDS[block] and bit < 16 for block, word, bit in taken)


def test_all_that_a_controller_says_and_reads_has_its_signal() -> None:
    said = {signal.name for signal in CONTROLS}
    shown = {signal.name for signal in STATUSES}
    assert {field.name for field in fields(Controls)} == said - {"set_user_data"}
    assert {field.name for field in fields(StationStatus)} - {"result", "fault"} == {
        name for name in shown if "." not in name
    } - {"error", "error_code", "job_pass", "user_data_ack"}
    assert {f"result.{field.name}" for field in fields(ShownResult)} == {
        name for name in shown if "." in name
    }


def test_signals_are_where_they_are_written_and_read() -> None:
    assert {signal.block for signal in CONTROLS} == {*WRITTEN}
    assert {signal.block for signal in STATUSES} == {*READ}
    assert {signal.kind for signal in SIGNALS} == {*Kind}


def test_every_reason_has_a_number_of_its_own_that_is_not_0() -> None:
    assert {*REASONS} == {*NoDecisionReason}
    assert sorted(REASONS.values()) == [*range(1, len(NoDecisionReason) + 1)]


def test_bits_are_where_the_manual_has_them() -> None:
    """Cognex, In-Sight Explorer Help, Modbus TCP Factory Interface (5.3.0 or later)."""
    places = {
        signal.title: (signal.word * 2 + signal.bit // 8, signal.bit % 8) for signal in SIGNALS
    }
    documented = {
        "Trigger Enable": (0, 0),
        "Trigger": (0, 1),
        "Buffer Results Enable": (0, 2),
        "Inspection Results Ack": (0, 3),
        "Execute Command": (0, 4),
        "Set Offline": (0, 7),
        "Set User Data": (2, 0),
        "Clear Error": (2, 2),
        "Trigger Ready": (0, 0),
        "Trigger Ack": (0, 1),
        "Missed Acq (Acq Error)": (0, 3),
        "Offline Reason": (0, 4),
        "Online": (0, 7),
        "System Busy": (1, 0),
        "Inspection Completed": (1, 1),
        "Results Buffer Overrun": (1, 2),
        "Results Valid": (1, 3),
        "Command Executing": (1, 4),
        "Command Completed": (1, 5),
        "Command Failed": (1, 6),
        "Error": (1, 7),
        "Set User Data Ack": (2, 0),
        "Job Pass": (2, 4),
    }
    bits = (Kind.BIT, Kind.THREE_BITS)
    assert documented == {
        signal.title: places[signal.title]
        for signal in SIGNALS
        if signal.kind in bits and not signal.ours
    }
