from __future__ import annotations

import pytest

from takt.core.errors import UnauthenticatedError
from takt.security import browser_sessions
from takt.security.browser_sessions import LASTS_S, BrowserSessions
from takt.security.caller import Caller

ANN = Caller("ann", frozenset({"read"}), b"key")


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def standing() -> set[Caller]:
    return {ANN}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(standing: set[Caller], clock: Clock) -> BrowserSessions:
    return BrowserSessions(standing.__contains__, clock)


def test_a_session_has_the_name_and_the_scopes_of_its_key(sessions: BrowserSessions) -> None:
    token, caller = sessions.begin(ANN)
    assert (caller.name, caller.scopes) == (ANN.name, ANN.scopes)
    assert sessions.identify(token.encode()) == caller
    assert sessions.stands(caller)
    assert caller != ANN


def test_a_session_ends_with_its_key(sessions: BrowserSessions, standing: set[Caller]) -> None:
    token, caller = sessions.begin(ANN)
    standing.clear()
    assert sessions.identify(token.encode()) is None
    assert not sessions.stands(caller)


def test_a_session_ends_in_time_and_no_later_than_its_key(
    sessions: BrowserSessions, standing: set[Caller], clock: Clock
) -> None:
    soon = Caller("bob", frozenset({"read"}), b"key2", expires_s=clock() + 10)
    standing.add(soon)
    token, caller = sessions.begin(ANN)
    early, _ = sessions.begin(soon)
    clock.now_s += 10
    assert sessions.identify(early.encode()) is None
    assert sessions.identify(token.encode()) == caller
    clock.now_s += LASTS_S
    assert sessions.identify(token.encode()) is None


def test_a_session_begins_no_other_one(sessions: BrowserSessions) -> None:
    _, caller = sessions.begin(ANN)
    with pytest.raises(UnauthenticatedError, match="begins with a key"):
        sessions.begin(caller)


def test_a_session_that_is_ended_is_ended(sessions: BrowserSessions) -> None:
    token, caller = sessions.begin(ANN)
    sessions.end(caller.credential)
    sessions.end(ANN.credential)
    assert sessions.identify(token.encode()) is None


def test_the_oldest_makes_room_and_the_token_is_not_kept(
    sessions: BrowserSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_sessions, "_MOST_OF_CALLER", 2)
    tokens = [sessions.begin(ANN)[0].encode() for _ in range(3)]
    assert [sessions.identify(token) is not None for token in tokens] == [False, True, True]
    assert not any(token in sessions._open for token in tokens)


def test_no_caller_ends_the_session_of_another(
    sessions: BrowserSessions, standing: set[Caller]
) -> None:
    camera = Caller("camera", frozenset({"inspect"}), b"camera's")
    standing.add(camera)
    token, _ = sessions.begin(ANN)
    for _ in range(1030):
        newest, _ = sessions.begin(camera)
    assert sessions.identify(token.encode()) is not None
    assert sessions.identify(newest.encode()) is not None
    assert len(list(sessions)) == 257


def test_where_all_have_too_many_the_oldest_goes_of_whoever_has_most(
    sessions: BrowserSessions, standing: set[Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_sessions, "_MOST_SESSIONS", 4)
    camera = Caller("camera", frozenset({"inspect"}), b"camera's")
    # Whoever comes by tokens has another one each time, and is the same caller.
    bob = [Caller("oidc:bob", frozenset({"read"}), b"%d" % number) for number in range(3)]
    standing.update([camera, *bob])
    first = [sessions.begin(one)[0].encode() for one in (camera, *bob)]
    last = sessions.begin(ANN)[0].encode()
    known = [sessions.identify(token) is not None for token in (*first, last)]
    assert known == [True, False, True, True, True]
