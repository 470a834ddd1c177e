from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from takt.core.errors import ConflictError, StationNotFoundError, TooManyStationsError
from takt.peers import Alone
from takt.stations.board import (
    FORGOTTEN_S,
    MOST_STATIONS,
    SILENT_S,
    WISH_S,
    RecipeWish,
    StationBoard,
)
from tests.linked import Link


@dataclass
class Clock:
    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> StationBoard:
    return StationBoard(Alone(), clock, lambda: 7)


def wish(board: StationBoard, number: int) -> RecipeWish:
    return asyncio.run(board.wish("a", number))


def test_a_station_that_says_nothing_is_silent_and_later_forgotten(
    board: StationBoard, clock: Clock
) -> None:
    board.put("a", {"online": True}, None)
    clock.now_s += SILENT_S
    assert not board.of("a").silent
    clock.now_s += 0.1
    assert board.of("a").silent
    assert board.of("a").report == {"online": True}
    clock.now_s += FORGOTTEN_S
    assert board.all() == []
    with pytest.raises(StationNotFoundError):
        board.of("a")


def test_a_further_station_takes_the_place_of_one_that_is_silent_and_of_no_other(
    board: StationBoard, clock: Clock
) -> None:
    board.put("a", {}, None)
    clock.now_s += 1
    for number in range(MOST_STATIONS - 1):
        board.put(f"other {number}", {}, None)
    with pytest.raises(TooManyStationsError):
        board.put("b", {}, None)
    board.put("a", {}, None)
    clock.now_s += SILENT_S - 0.1
    board.put("a", {}, None)
    clock.now_s += 0.2
    board.put("b", {}, None)
    names = [one.name for one in board.all()]
    assert len(names) == MOST_STATIONS
    assert {"a", "b"} <= set(names)


def test_a_wish_is_told_until_it_is_taken_and_a_later_one_goes_before_it(
    board: StationBoard,
) -> None:
    board.put("a", {}, None)
    first = wish(board, 1)
    assert board.put("a", {}, None) == first
    second = wish(board, 2)
    assert second.sequence > first.sequence
    assert board.put("a", {}, first.sequence) == second
    assert board.put("a", {}, second.sequence) is None


def test_a_wish_that_was_not_taken_in_time_is_told_no_more(
    board: StationBoard, clock: Clock
) -> None:
    board.put("a", {}, None)
    wanted = wish(board, 1)
    clock.now_s += WISH_S - 0.1
    assert board.put("a", {}, None) == wanted
    clock.now_s += 0.2
    assert board.put("a", {}, None) is None
    assert board.of("a").wish is None


def test_nothing_is_wanted_of_a_station_that_is_silent_or_unknown(
    board: StationBoard, clock: Clock
) -> None:
    with pytest.raises(StationNotFoundError):
        wish(board, 1)
    board.put("a", {}, None)
    clock.now_s += SILENT_S + 1
    with pytest.raises(ConflictError, match="said nothing for 6 s"):
        wish(board, 1)


def test_a_wish_is_later_than_what_was_taken_from_a_server_before_this_one(
    board: StationBoard,
) -> None:
    board.put("a", {}, 2**50)
    assert wish(board, 1).sequence > 2**50


async def test_a_wish_is_later_than_that_of_another_worker_whose_clock_was_ahead(
    clock: Clock,
) -> None:
    """Set back in between, the clock gave a lower number to what was wanted last."""
    link, now_us = Link(2), [2**50]
    peers = [link.join(), link.join()]
    boards = [StationBoard(one, clock, lambda: now_us[0]) for one in peers]
    for one in peers:
        one.open()
    boards[0].put("a", {}, None)
    boards[1].put("a", {}, None)
    await boards[0].wish("a", 1)
    now_us[0] -= 3_600_000_000
    wanted = await boards[1].wish("a", 2)
    assert boards[0].put("a", {}, None) == boards[1].put("a", {}, None) == wanted


def test_a_station_is_up_while_it_takes_parts_or_its_plc_has_taken_it_offline(
    board: StationBoard, clock: Clock
) -> None:
    board.put("a", {"online": True, "offline_reason": None}, None)
    board.put("b", {"online": False, "offline_reason": "set_offline"}, None)
    board.put("c", {"online": False, "offline_reason": "camera"}, None)
    assert board.ups() == {"a": True, "b": True, "c": False}
    clock.now_s += SILENT_S + 1
    assert set(board.ups().values()) == {False}
    clock.now_s += FORGOTTEN_S
    assert board.ups() == {}
