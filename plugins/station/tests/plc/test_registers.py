"""What is said and read becomes words, and is the same again."""

from __future__ import annotations

import math
import struct
from dataclasses import replace

import pytest
from hypothesis import given

from plugins.station.tests.controllers import IDLE, controls, maps, statuses
from takt.core.errors import ConfigurationError
from takt_station.cycle.signals import (
    Controls,
    NoDecisionReason,
    OfflineReason,
    ResultCode,
    ShownResult,
    StationStatus,
)
from takt_station.plc.registers import (
    RegisterMap,
    controls_of,
    status_of,
    words_of_controls,
    words_of_status,
)
from takt_station.plc.signals import Block

NG = ShownResult(
    acquisition=9,
    part=0x0001_0002,
    inspection=8,
    code=ResultCode.NG,
    reason=None,
    score=1.5,
    recipe=3,
)


@given(controls, maps)
def test_what_a_controller_says_is_the_same_again(said: Controls, registers: RegisterMap) -> None:
    assert controls_of(words_of_controls(said, registers), registers) == said


@given(statuses, maps)
def test_what_a_controller_reads_is_the_same_again(
    shown: StationStatus, registers: RegisterMap
) -> None:
    words = words_of_status(shown, registers)
    again = status_of(words, registers)
    assert all(0 <= word <= 0xFFFF for block in words.values() for word in block)
    if shown.result is not None and math.isnan(shown.result.score):
        assert again.result is not None and math.isnan(again.result.score)
        shown = replace(shown, result=replace(shown.result, score=0.0))
        again = replace(again, result=replace(again.result, score=0.0))
    assert again == shown


def test_the_words_of_a_station_are_those_of_the_page() -> None:
    shown = replace(IDLE, results_valid=True, completed=True, acquisition=9, result=NG, waiting=1)
    assert words_of_status(shown, RegisterMap()) == {
        Block.STATUS: [0b0000_1010_1000_0001, 0],
        Block.OUTPUT: [1, 0, 9, 9, 2, 1, 2, 0, 0x3FC0, 0, 3, 8, 7, 1],
    }


def test_where_the_low_word_is_first_numbers_of_two_words_are_turned() -> None:
    shown = replace(IDLE, result=NG)
    output = words_of_status(shown, RegisterMap(high_word_first=False))[Block.OUTPUT]
    assert output[5:7] == [2, 1] and output[8:10] == [0, 0x3FC0]


SAID = Controls(lot="L7/2", code="AB-1")


def text_words(controls: Controls = SAID, **order: bool) -> tuple[list[int], list[int]]:
    """The words of the lot and of the code."""
    words = words_of_controls(controls, RegisterMap(**order))[Block.INPUT]
    return words[3:19], words[19:51]


def heard(lot: bytes = b"", code: bytes = b"", **order: bool) -> Controls:
    """What a station hears of these bytes, the first of which is the high one of its word."""
    packed = b"\0" * 6 + lot.ljust(32, b"\0") + code.ljust(64, b"\0")
    words = [*struct.unpack(">51H", packed)]
    return controls_of({Block.CONTROL: [0, 0], Block.INPUT: words}, RegisterMap(**order))


def test_the_first_character_of_a_text_is_in_the_high_byte_or_in_the_low_one() -> None:
    assert text_words() == ([0x4C37, 0x2F32, *[0] * 14], [0x4142, 0x2D31, *[0] * 30])
    assert text_words(high_byte_first=False)[1][:2] == [0x4241, 0x312D]
    assert heard(b"L7/2", b"AB-1") == SAID
    assert heard(b"7L2/", b"BA1-", high_byte_first=False) == SAID


def test_a_text_ends_at_its_first_0_and_what_is_left_of_a_longer_one_says_nothing() -> None:
    assert heard(code=b"AB-1\x00\xff\x01 of before").code == "AB-1"
    assert heard(lot=b"\x00L7").lot == ""


def test_a_text_may_fill_all_of_its_words() -> None:
    full = Controls(lot="l" * 32, code="c" * 64)
    assert heard(b"l" * 32, b"c" * 64) == full
    assert controls_of(words_of_controls(full, RegisterMap()), RegisterMap()) == full


def test_blanks_around_a_text_are_no_part_of_it() -> None:
    assert (heard(b"  L 7   ", b" " * 64).lot, heard(b"", b" " * 64).code) == ("L 7", "")


@pytest.mark.parametrize("said", [b"AB\r", b"AB\x1d1", b"\xc3\x84", b"\x7f", b"\x01"])
def test_a_text_of_other_bytes_is_none_and_the_part_is_heard_all_the_same(said: bytes) -> None:
    assert heard(lot=said, code=b"AB-1") == Controls(lot=None, code="AB-1")
    assert heard(lot=b"L7", code=said) == Controls(lot="L7", code=None)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"lot": "l" * 33}, "lot has at most 32 characters"),
        ({"code": "Ä"}, "code cannot be 'Ä'; it is printable ASCII"),
        ({"code": None}, "code cannot be None"),
    ],
)
def test_a_text_that_does_not_fit_its_words_is_refused(
    wrong: dict[str, str | None], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        words_of_controls(replace(SAID, **wrong), RegisterMap())  # type: ignore[arg-type]


def test_before_the_first_result_all_of_it_is_0_and_the_score_none() -> None:
    output = words_of_status(IDLE, RegisterMap())[Block.OUTPUT]
    assert output[3:8] == [0] * 5 and output[10:12] == [0, 0]
    found = status_of(words_of_status(IDLE, RegisterMap()), RegisterMap())
    assert found.result is None
    assert output[8] == 0x7FC0


@pytest.mark.parametrize(
    ("shown", "job_pass"),
    [
        (replace(IDLE, result=replace(NG, code=ResultCode.OK), results_valid=True), True),
        (replace(IDLE, result=replace(NG, code=ResultCode.OK)), False),
        (replace(IDLE, result=NG, results_valid=True), False),
        (
            replace(
                IDLE,
                result=replace(NG, code=ResultCode.NO_DECISION, reason=NoDecisionReason.DEADLINE),
                results_valid=True,
            ),
            False,
        ),
        (replace(IDLE, results_valid=True), False),
    ],
    ids=["OK", "OK, acknowledged", "NG", "no decision", "none"],
)
def test_job_pass_is_set_for_a_valid_ok_alone(shown: StationStatus, job_pass: bool) -> None:
    assert words_of_status(shown, RegisterMap())[Block.STATUS][1] == job_pass << 4


def test_the_error_code_tells_all_errors_at_once() -> None:
    shown = replace(
        IDLE,
        online=False,
        offline_reason=OfflineReason.FAULT,
        acquisition_error=True,
        overrun=True,
        fault=True,
    )
    words = words_of_status(shown, RegisterMap())
    assert words[Block.OUTPUT][1] == 7
    assert words[Block.STATUS][0] >> 15 == 1
    assert words[Block.STATUS][0] >> 4 & 7 == 4


def test_a_number_that_does_not_fit_its_word_is_refused() -> None:
    with pytest.raises(ValueError, match="Current Job ID cannot be 65536"):
        words_of_status(replace(IDLE, recipe=65536), RegisterMap())


def test_a_score_beyond_what_a_word_holds_is_infinite() -> None:
    words = words_of_status(replace(IDLE, result=replace(NG, score=1e39)), RegisterMap())
    found = status_of(words, RegisterMap()).result
    assert found is not None and found.score == math.inf


def test_words_that_are_no_stations_are_refused() -> None:
    words = words_of_status(replace(IDLE, result=NG), RegisterMap())
    words[Block.OUTPUT][7] = 99
    with pytest.raises(ValueError, match="99 is the number of no reason"):
        status_of(words, RegisterMap())


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ({"input": 1}, r"control \(0 to 1\) and input \(1 to 51\) overlap"),
        ({"output": 2990}, r"status \(3000 to 3001\) and output \(2990 to 3003\) overlap"),
        ({"output": 65530}, "output of 14 words cannot begin at 65530; .* 0 to 65522"),
        ({"control": -1}, "cannot begin at -1"),
    ],
)
def test_blocks_that_cannot_be_there_are_refused(places: dict[str, int], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        RegisterMap(**places)


def test_what_is_written_and_what_is_read_may_have_the_same_addresses() -> None:
    assert RegisterMap(control=0, status=0, input=2000, output=2000).status == 0
