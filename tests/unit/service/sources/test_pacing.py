import asyncio

import pytest

from takt.sources.pacing import RateLimit, Shot, newest, paced, retry_delay_s, timed


def test_waits_double_up_to_a_bound_and_are_shortened_by_at_most_a_half() -> None:
    assert [retry_delay_s(n, 1.0) for n in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert [retry_delay_s(n, 0.0) for n in range(8)] == [0.25, 0.5, 1, 2, 4, 8, 15, 15]
    assert retry_delay_s(100_000, 1.0) == 30


async def test_shots_of_a_recording_are_spaced_and_none_is_left_out(fake_time, make_shots) -> None:
    rate = RateLimit(4.0, fake_time.clock)
    names = [shot.name async for shot in paced(make_shots("a", "b", "c"), rate, live=False)]
    assert names == ["a", "b", "c"]
    assert fake_time.slept == pytest.approx([0.25, 0.25])


async def test_time_that_was_lost_is_not_made_up_for(fake_time, make_shots) -> None:
    names = []
    rate = RateLimit(1.0, fake_time.clock)
    async for shot in paced(make_shots(*"abcde"), rate, live=False):
        names.append(shot.name)
        if shot.name == "b":
            fake_time.now_s += 10
    assert names == list("abcde")
    assert fake_time.slept == pytest.approx([1, 1])


async def test_live_shots_in_between_are_left_out(fake_time) -> None:
    async def live():
        for number in range(10):
            yield Shot(str(number), 0, b"")
            fake_time.now_s += 0.1

    rate = RateLimit(4.0, fake_time.clock)
    names = [shot.name async for shot in paced(live(), rate, live=True)]
    assert names == ["0", "3", "5", "8"]
    assert fake_time.slept == []


async def test_the_newest_shot_replaces_one_that_waits(make_shots) -> None:
    left_out = []
    shots = newest(make_shots("a", "b", "c"), lambda: left_out.append(1))
    names = []
    async for shot in shots:
        names.append(shot.name)
        await asyncio.sleep(0)
    assert names[-1] == "c"
    assert len(names) + len(left_out) == 3


async def test_a_source_is_read_on_while_a_shot_is_dealt_with() -> None:
    left_out = []
    read: asyncio.Queue[Shot] = asyncio.Queue()

    async def live():
        while True:
            yield await read.get()

    shots = newest(live(), lambda: left_out.append(1))
    read.put_nowait(Shot("a", 0, b""))
    assert (await anext(shots)).name == "a"
    for name in "bcd":
        read.put_nowait(Shot(name, 0, b""))
    while not read.empty():
        await asyncio.sleep(0)
    assert (await anext(shots)).name == "d"
    assert len(left_out) == 2
    await shots.aclose()


async def test_what_ends_a_source_ends_the_newest_of_it() -> None:
    async def broken():
        yield Shot("a", 0, b"")
        raise ValueError("the end")

    names = []
    with pytest.raises(ValueError, match="the end"):
        async for shot in newest(broken(), lambda: None):
            names.append(shot.name)
    assert names == ["a"]


async def test_a_shot_of_a_recording_is_taken_when_it_is_its_turn(fake_time, make_shots) -> None:
    rate = RateLimit(0.5, fake_time.clock)
    shots = timed(paced(make_shots("a", "b"), rate, live=False), fake_time.clock)
    assert [shot.taken_s async for shot in shots] == [1000.0, 1002.0]
