from __future__ import annotations

import asyncio

import pytest

from takt.core.errors import NotReadyError, UnavailableError
from takt.streaming.frames import Frame
from takt.streaming.link import Stop
from takt.streaming.outcomes import FailedFrame
from takt.streaming.session import Rules, Session
from takt.streaming.sessions import SessionLimits, Sessions

RULES = Rules(policy="all", credits=4, in_flight=1, patience_s=60.0)


async def never(picture: object):
    await asyncio.get_running_loop().create_future()


def make(key: str) -> Session:
    def explain(sequence: int, error: Exception) -> FailedFrame:
        raise AssertionError("nothing fails here") from error

    return Session(key, None, never, explain, RULES, lambda *heard: None)


@pytest.fixture
def counts() -> list[int]:
    return []


def sessions_of(counts: list[int], *, most_open=2, most_kept=2, kept_s=60.0) -> Sessions:
    return Sessions(SessionLimits(most_open, most_kept, kept_s), counts.append)


def lose(sessions: Sessions, session: Session) -> None:
    session.detach(session.attach())
    sessions.keep(session)


async def test_no_two_sessions_have_the_same_key(counts) -> None:
    sessions = sessions_of(counts)
    assert sessions.begin(make).key != sessions.begin(make).key


async def test_only_as_many_as_allowed_are_open(counts) -> None:
    sessions = sessions_of(counts)
    first = sessions.begin(make)
    sessions.begin(make)
    with pytest.raises(UnavailableError, match="2 streams are open already"):
        sessions.begin(make)
    sessions.end(first)
    sessions.begin(make)
    assert counts == [1, 2, 1, 2]


async def test_a_lost_session_is_found_again_and_counts_as_open_once_it_is(counts) -> None:
    sessions = sessions_of(counts)
    session = sessions.begin(make)
    lose(sessions, session)
    assert sessions.find(session.key) is session
    sessions.resume(session, None)
    assert counts == [1, 0, 1]
    sessions.end(session)
    assert sessions.find(session.key) is None


async def test_a_lost_session_finds_no_room_where_others_took_it(counts) -> None:
    sessions = sessions_of(counts, most_open=1)
    session = sessions.begin(make)
    lose(sessions, session)
    sessions.begin(make)
    with pytest.raises(UnavailableError):
        sessions.resume(session, None)
    assert sessions.find(session.key) is session
    await sessions.close(0.0)


async def test_a_session_that_nobody_comes_back_for_is_let_go(counts) -> None:
    sessions = sessions_of(counts, kept_s=0.0)
    session = sessions.begin(make)
    session.accept(Frame(0, 0, b""))
    lose(sessions, session)
    while sessions.find(session.key) is not None:
        await asyncio.sleep(0)
    assert session.finished


async def test_the_session_that_was_lost_first_is_let_go_first(counts) -> None:
    sessions = sessions_of(counts, most_open=3)
    lost = [sessions.begin(make) for _ in range(3)]
    for session in lost:
        lose(sessions, session)
    found = [sessions.find(session.key) is not None for session in lost]
    assert found == [False, True, True]
    await sessions.close(0.0)


async def test_nobody_goes_on_with_a_session_that_is_ending(counts) -> None:
    sessions = sessions_of(counts)
    session = sessions.begin(make)
    session.finish()
    assert sessions.find(session.key) is None


async def test_closing_stops_every_connection_and_waits_for_the_last(counts) -> None:
    sessions = sessions_of(counts)
    open_one, lost = sessions.begin(make), sessions.begin(make)
    link = open_one.attach()
    lose(sessions, lost)
    closing = asyncio.create_task(sessions.close(60.0))
    assert await link.stopped is Stop.SHUTDOWN
    assert lost.finished
    assert not closing.done()
    with pytest.raises(NotReadyError, match="closing"):
        sessions.begin(make)
    with pytest.raises(NotReadyError, match="closing"):
        sessions.resume(open_one, None)
    sessions.end(open_one)
    await closing


async def test_a_connection_that_is_lost_while_closing_is_not_kept(counts) -> None:
    sessions = sessions_of(counts)
    session = sessions.begin(make)
    session.attach()
    closing = asyncio.create_task(sessions.close(60.0))
    await asyncio.sleep(0)
    sessions.keep(session)
    await closing
    assert sessions.find(session.key) is None


async def test_closing_leaves_a_client_that_takes_nothing(counts) -> None:
    sessions = sessions_of(counts)
    sessions.begin(make).attach()
    await sessions.close(0.0)
