from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from takt.core.domain import Inspection
from takt.core.errors import InvalidImageError, NotReadyError, QueueFullError, RequestError
from takt.streaming.entrance import Entrance
from takt.streaming.evidence import VoteCount, VotingRule
from takt.streaming.frames import Frame, FrameView
from takt.streaming.link import Link, Stop
from takt.streaming.outcomes import (
    AnsweredFrame,
    DroppedFrame,
    FailedFrame,
    InspectedView,
    Outcome,
    ViewAnswer,
)
from takt.streaming.session import Rules, Session
from takt.streaming.statistics import StreamStatistics

ALL = Rules(policy="all", credits=4, in_flight=1, patience_s=60.0)
LATEST = replace(ALL, policy="latest")


class Engine:
    """Answers pictures when it is told to; a picture's first byte is its score in hundredths."""

    def __init__(self, inspection: Callable[..., Inspection]) -> None:
        self._inspection = inspection
        self._turns: dict[int, asyncio.Future[None]] = {}
        self.started: list[int] = []
        self.open = False
        self.full = 0

    async def inspect(self, read) -> Inspection:
        if self.full:
            self.full -= 1
            raise QueueFullError("full", 1)
        (number,) = await read()
        self.started.append(number)
        if not self.open:
            self._turns[number] = asyncio.get_running_loop().create_future()
            await self._turns[number]
        return self._inspection(number / 100)

    def answer(self, *numbers: int) -> None:
        for number in numbers:
            self._turns[number].set_result(None)

    def fail(self, number: int, error: Exception) -> None:
        self._turns[number].set_exception(error)


def explain(sequence: int, error: Exception) -> FailedFrame:
    return FailedFrame(sequence, 400, "bad", type(error).__name__, str(error))


@pytest.fixture
def engine(inspection) -> Engine:
    return Engine(inspection)


def session_of(engine: Engine, rules: Rules, observed: list[Outcome] | None = None) -> Session:
    def observe(outcome: Outcome, frame: Frame | None) -> None:
        if observed is not None:
            observed.append(outcome)

    return Session("key", None, engine.inspect, explain, rules, observe)


def send(session: Session, *numbers: int) -> None:
    for number in numbers:
        session.accept(Frame(number, 1000 + number, bytes([number])))


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def take(session: Session, link: Link, count: int) -> list[object]:
    taken: list[object] = []
    for _ in range(count):
        taken.append(await link.next())
        session.sent(link)
    return taken


def numbers(outcomes: list[object]) -> list[tuple[str, int]]:
    return [(type(outcome).__name__, outcome.sequence) for outcome in outcomes]  # type: ignore[attr-defined]


async def test_answers_come_in_the_order_of_the_frames_whichever_is_done_first(engine) -> None:
    session = session_of(engine, ALL)
    link = session.attach()
    send(session, 1, 2, 3)
    await settle()
    engine.answer(3)
    await settle()
    engine.answer(2)
    await settle()
    assert len(link) == 0
    engine.answer(1)
    assert numbers(await take(session, link, 3)) == [
        ("AnsweredFrame", 1),
        ("AnsweredFrame", 2),
        ("AnsweredFrame", 3),
    ]


async def test_nothing_is_dropped_and_no_more_than_the_credits_come_in(engine) -> None:
    session = session_of(engine, ALL)
    link = session.attach()
    send(session, 1, 2, 3, 4)
    room = asyncio.create_task(session.room())
    await settle()
    assert engine.started == [1, 2, 3, 4]
    assert not room.done()
    engine.answer(1)
    await settle()
    assert not room.done(), "an answer that is not sent has not given back its credit"
    await take(session, link, 1)
    await room
    session.cancel()


async def test_a_frame_that_fails_has_its_error_in_its_place(engine) -> None:
    session = session_of(engine, ALL)
    link = session.attach()
    send(session, 1, 2)
    session.refuse(3, 0, InvalidImageError("no picture"))
    send(session, 4)
    await settle()
    engine.fail(2, InvalidImageError("cut short"))
    engine.answer(1, 4)
    assert numbers(await take(session, link, 4)) == [
        ("AnsweredFrame", 1),
        ("FailedFrame", 2),
        ("FailedFrame", 3),
        ("AnsweredFrame", 4),
    ]


async def test_the_newest_frame_takes_the_place_of_the_one_that_waits(engine) -> None:
    session = session_of(engine, LATEST)
    link = session.attach()
    send(session, 1, 2, 3)
    assert await take(session, link, 1) == [DroppedFrame(2, 1)]
    send(session, 4)
    assert await take(session, link, 1) == [DroppedFrame(3, 2)]
    assert engine.started == []
    await settle()
    assert engine.started == [1]
    engine.answer(1)
    await settle()
    assert engine.started == [1, 4]
    engine.answer(4)
    first, second = await take(session, link, 2)
    assert isinstance(first, AnsweredFrame)
    assert isinstance(second, AnsweredFrame)
    assert (first.sequence, second.sequence) == (1, 4)
    assert second.dropped == 2


async def test_a_refused_frame_of_latest_does_not_overtake_the_one_that_waits(engine) -> None:
    session = session_of(engine, LATEST)
    link = session.attach()
    send(session, 4, 5)
    session.refuse(6, 0, InvalidImageError("no picture"))
    await settle()
    engine.answer(4)
    await settle()
    engine.answer(5)
    assert numbers(await take(session, link, 3)) == [
        ("AnsweredFrame", 4),
        ("AnsweredFrame", 5),
        ("FailedFrame", 6),
    ]


async def test_a_frame_that_is_replaced_holds_up_no_refused_one_behind_it(engine) -> None:
    session = session_of(engine, LATEST)
    link = session.attach()
    send(session, 4, 5)
    session.refuse(6, 0, InvalidImageError("no picture"))
    send(session, 7)
    await settle()
    engine.answer(4)
    await settle()
    assert numbers(await take(session, link, 3)) == [
        ("DroppedFrame", 5),
        ("AnsweredFrame", 4),
        ("FailedFrame", 6),
    ]
    session.cancel()


async def test_as_many_newest_frames_are_inspected_as_there_are_engines(engine) -> None:
    session = session_of(engine, replace(LATEST, in_flight=2))
    link = session.attach()
    send(session, 1, 2, 3, 4)
    await settle()
    assert engine.started == [1, 2]
    engine.answer(2)
    await settle()
    assert engine.started == [1, 2, 4]
    engine.answer(1, 4)
    assert numbers(await take(session, link, 4)) == [
        ("DroppedFrame", 3),
        ("AnsweredFrame", 1),
        ("AnsweredFrame", 2),
        ("AnsweredFrame", 4),
    ]


async def test_a_newer_frame_always_has_room_to_replace_the_one_that_waits(engine) -> None:
    session = session_of(engine, replace(LATEST, credits=1))
    session.attach()
    assert session.rules.room == 3
    send(session, 1, 2)
    await session.room()
    session.cancel()


async def test_a_client_that_takes_nothing_is_read_no_further(engine) -> None:
    session = session_of(engine, LATEST)
    link = session.attach()
    send(session, 1, 2, 3, 4)
    room = asyncio.create_task(session.room())
    await settle()
    assert not room.done()
    await take(session, link, 1)
    await room
    session.cancel()


async def test_votes_and_smoothing_follow_the_order_of_the_frames(engine) -> None:
    session = session_of(engine, replace(ALL, vote=VotingRule(2, 3), smoothing=0.5))
    link = session.attach()
    send(session, 10, 60, 90)
    await settle()
    engine.answer(90)
    await settle()
    engine.answer(60, 10)
    answers = await take(session, link, 3)
    assert [answer.vote for answer in answers] == [
        VoteCount(False, 0, 1),
        VoteCount(False, 1, 2),
        VoteCount(True, 2, 3),
    ]
    assert [answer.smoothed_score for answer in answers] == pytest.approx([0.1, 0.35, 0.625])


async def test_a_frame_that_may_not_be_dropped_waits_for_room_in_the_queue(engine) -> None:
    engine.full, engine.open = 3, True
    session = session_of(engine, ALL)
    link = session.attach()
    send(session, 1)
    assert numbers(await take(session, link, 1)) == [("AnsweredFrame", 1)]
    assert engine.full == 0


@pytest.mark.parametrize("rules", [LATEST, replace(ALL, patience_s=0.0)])
async def test_a_frame_without_patience_is_told_that_the_queue_is_full(
    engine, rules: Rules
) -> None:
    engine.full = 1
    session = session_of(engine, rules)
    link = session.attach()
    send(session, 1)
    (failed,) = await take(session, link, 1)
    assert isinstance(failed, FailedFrame)
    assert failed.title == "QueueFullError"


@pytest.mark.parametrize("number", [5, 4])
async def test_a_number_that_does_not_grow_is_refused(engine, number: int) -> None:
    session = session_of(engine, ALL)
    send(session, 5)
    with pytest.raises(RequestError, match=f"frame {number} came after frame 5"):
        send(session, number)
    session.cancel()


async def test_a_finished_session_sends_what_it_accepted_and_takes_no_more(engine) -> None:
    session = session_of(engine, LATEST)
    link = session.attach()
    send(session, 1, 2)
    session.finish()
    with pytest.raises(NotReadyError):
        send(session, 3)
    await settle()
    engine.open = True
    engine.answer(1)
    assert numbers(await take(session, link, 2)) == [("AnsweredFrame", 1), ("AnsweredFrame", 2)]
    assert await link.next() is None


async def test_a_cancelled_session_gives_up_what_is_under_way(engine) -> None:
    session = session_of(engine, LATEST)
    link = session.attach()
    send(session, 1, 2)
    await settle()
    session.cancel()
    await settle()
    assert engine.started == [1]
    assert await link.next() is None


async def test_what_is_ready_while_nobody_is_there_waits_for_the_next_connection(engine) -> None:
    session = session_of(engine, replace(ALL, vote=VotingRule(2, 2)))
    link = session.attach()
    send(session, 60, 70, 80)
    await settle()
    engine.answer(60)
    await take(session, link, 1)
    session.detach(link)
    engine.answer(70)
    await settle()
    again = session.attach(after=60)
    assert session.next_sequence == 81
    engine.answer(80)
    answers = await take(session, again, 2)
    assert [answer.sequence for answer in answers] == [70, 80]
    assert [answer.vote for answer in answers] == [VoteCount(True, 2, 2)] * 2
    assert session.statistics.answered == 3


async def test_answers_that_were_sent_and_lost_are_sent_again(engine) -> None:
    engine.open = True
    session = session_of(engine, ALL)
    link = session.attach()
    for number in range(10):
        await session.room()
        send(session, number)
        await take(session, link, 1)
    session.detach(link)
    again = session.attach(after=7)
    assert numbers(await take(session, again, 2)) == [
        ("AnsweredFrame", 8),
        ("AnsweredFrame", 9),
    ]
    assert len(again) == 0


async def test_another_connection_ends_the_one_before_it(engine) -> None:
    engine.open = True
    session = session_of(engine, ALL)
    old = session.attach()
    new = session.attach()
    assert old.stopped.result() is Stop.TAKEN_OVER
    session.detach(old)
    send(session, 1)
    assert numbers(await take(session, new, 1)) == [("AnsweredFrame", 1)]
    assert len(old) == 0


async def test_figures_are_sent_after_what_is_ready(engine) -> None:
    observed: list[Outcome] = []
    session = session_of(engine, ALL, observed)
    link = session.attach()
    send(session, 1)
    await settle()
    engine.answer(1)
    await settle()
    session.report()
    answer, figures = await take(session, link, 2)
    assert isinstance(figures, StreamStatistics)
    assert (figures.frames, figures.answered) == (1, 1)
    assert observed == [answer]


def views_of(engine: Engine, rules: Rules, observed: list[Outcome]) -> Session:
    """A session that takes views, and gives each the answer that its recipe is `bracket`."""

    async def inspect_view(frame: Frame, entrance: Entrance) -> InspectedView:
        assert frame.view is not None
        inspection = await entrance.inspect(frame.picture)
        said = ViewAnswer(frame.view.part, 5, "bracket", 3, frame.view.view, None)
        return InspectedView(inspection, said)

    def observe(outcome: Outcome, frame: Frame | None) -> None:
        observed.append(outcome)

    return Session(
        *("key", None, engine.inspect, explain, rules, observe), inspect_view=inspect_view
    )


def send_view(session: Session, number: int, view: str) -> None:
    shown = FrameView("A", view, "bracket")
    session.accept(Frame(number, 0, bytes([number]), view=shown))


async def test_views_of_latest_are_all_inspected_and_a_newer_frame_waits_for_them(engine) -> None:
    session = views_of(engine, LATEST, [])
    link = session.attach()
    send(session, 1, 2)
    send_view(session, 3, "top")
    send_view(session, 4, "side")
    send(session, 5)
    await settle()
    assert engine.started == [1, 3, 4]
    assert await take(session, link, 1) == [DroppedFrame(2, 1)]
    engine.answer(1)
    await settle()
    assert engine.started == [1, 3, 4], "the views are still inspected"
    engine.answer(3, 4)
    await settle()
    engine.answer(5)
    answers = await take(session, link, 4)
    assert numbers(answers) == [("AnsweredFrame", number) for number in (1, 3, 4, 5)]
    assert [one.view and one.view.view for one in answers] == [None, "top", "side", None]


async def test_a_view_is_observed_once_and_before_the_frames_that_it_waits_for(engine) -> None:
    observed: list[Outcome] = []
    session = views_of(engine, ALL, observed)
    link = session.attach()
    send(session, 1)
    send_view(session, 2, "top")
    await settle()
    engine.answer(2)
    await settle()
    assert numbers([*observed]) == [("AnsweredFrame", 2)]
    assert len(link) == 0
    engine.answer(1)
    assert numbers(await take(session, link, 2)) == [("AnsweredFrame", 1), ("AnsweredFrame", 2)]
    assert numbers([*observed]) == [("AnsweredFrame", 2), ("AnsweredFrame", 1)]
    assert session.statistics.answered == 2
