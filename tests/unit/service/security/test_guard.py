from __future__ import annotations

import logging
from typing import Any

import pytest

from takt.core.errors import InsufficientScopeError, UnauthenticatedError
from takt.security.caller import ANYONE, STRANGER, Caller, CallerPendingError
from takt.security.credentials import Credentials
from takt.security.guard import Guard
from takt.security.keys.key import new_key
from takt.security.keys.key_ring import KeyRing

KEY, SECRET = new_key("line3", frozenset({"inspect"}))
BEARER = b"Bearer " + SECRET.encode()


class Setup:
    def __init__(self) -> None:
        self.ring = KeyRing([KEY])
        self.credentials = Credentials([self.ring])
        self.refused: list[str] = []
        self.now_s = 1000.0
        self.guard = Guard(self.credentials, refused=self.refused.append, clock=lambda: self.now_s)

    def revoke(self) -> None:
        self.ring.replace([])
        self.credentials.forget()


@pytest.fixture
def setup() -> Setup:
    return Setup()


def scope(
    path: str = "/v1/models/nut/inspect", method: str = "POST", **headers: bytes
) -> dict[str, Any]:
    given = [(name.encode(), value) for name, value in headers.items()]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "headers": given,
        "client": ("10.0.0.7", 9),
    }


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer  ", b"BEARER "])
def test_a_key_is_found_however_the_scheme_is_written(setup: Setup, scheme: bytes) -> None:
    value = scheme + SECRET.encode()
    assert setup.guard.check(scope(authorization=value)) == KEY.caller


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"Bearer", b"Bearer ", SECRET.encode(), b"Basic " + SECRET.encode()),
        *(BEARER[:-1], BEARER + b"x", b"Bearer \xff\xfe", b"Token " + SECRET.encode()),
    ],
    # The key is another one in each process.
    ids=range(9),
)
def test_anything_else_is_refused(setup: Setup, value: bytes) -> None:
    with pytest.raises(UnauthenticatedError):
        setup.guard.check(scope(authorization=value))
    assert setup.refused == ["unauthenticated"]


def test_two_headers_are_refused_even_if_one_is_right(setup: Setup) -> None:
    asked = scope(authorization=BEARER)
    asked["headers"].append((b"authorization", BEARER))
    with pytest.raises(UnauthenticatedError, match="two headers"):
        setup.guard.check(asked)


def test_a_wrong_scope_is_named(setup: Setup) -> None:
    with pytest.raises(InsufficientScopeError, match="lacks the scope operate") as refused:
        setup.guard.check(scope("/v1/models/nut/rollback", authorization=BEARER))
    assert 'scope="operate"' in refused.value.headers["WWW-Authenticate"]
    assert setup.refused == ["insufficient_scope"]


def test_probes_are_answered_whatever_they_send(setup: Setup) -> None:
    for headers in ({}, {"authorization": b"Bearer wrong"}):
        found = setup.guard.check(scope("/health/live", "GET", **headers))
        assert found is STRANGER
    assert setup.guard.check(scope("/health/live", "GET", authorization=BEARER)) == KEY.caller
    assert setup.refused == []


def test_without_authenticators_anyone_may_do_everything() -> None:
    guard = Guard(Credentials([]))
    caller = guard.check(scope("/v1/models/nut/rollback"))
    assert caller is ANYONE and guard.stands(caller)


def test_a_cookie_stands_for_the_key_until_its_session_ends(setup: Setup) -> None:
    token, caller = setup.guard.sessions.begin(setup.guard.check(scope(authorization=BEARER)))
    cookie = b"lang=de; takt_session=old; takt_session=" + token.encode()
    assert setup.guard.check(scope(cookie=cookie)) == caller
    # A header counts before a cookie, so that nobody is surprised by who he is.
    with pytest.raises(UnauthenticatedError):
        setup.guard.check(scope(cookie=cookie, authorization=b"Bearer wrong"))
    # A token of a session is no key.
    with pytest.raises(UnauthenticatedError):
        setup.guard.check(scope(authorization=b"Bearer " + token.encode()))
    setup.guard.sessions.end(caller.credential)
    with pytest.raises(UnauthenticatedError):
        setup.guard.check(scope(cookie=cookie))


def test_what_a_caller_holds_ends_once_the_key_is_revoked(setup: Setup) -> None:
    ended: list[str] = []
    caller = setup.guard.check(scope(authorization=BEARER))
    with (
        setup.guard.hold(caller, lambda: ended.append("stream")),
        setup.guard.hold(ANYONE, lambda: ended.append("anyone's")),
    ):
        setup.guard.look()
        assert ended == []
        setup.revoke()
        setup.guard.look()
        setup.guard.look()
        assert ended == ["stream"]
    setup.guard.look()


def test_what_is_let_go_is_not_ended(setup: Setup) -> None:
    with setup.guard.hold(KEY.caller, lambda: pytest.fail("it was let go")):
        pass
    setup.revoke()
    setup.guard.look()


def test_refusals_are_logged_once_in_a_while_without_what_was_sent(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "takt.security"):
        for after_s in (0, 1, 2, 20):
            setup.now_s = 1000.0 + after_s
            with pytest.raises(UnauthenticatedError):
                setup.guard.check(scope(authorization=b"Bearer takt_wrong"))
    first, second = (record.getMessage() for record in caplog.records)
    assert "from 10.0.0.7 was refused (1 since" in first
    assert "(3 since" in second
    assert "takt_wrong" not in first + second


def test_refusals_are_logged_after_the_clock_was_set_back(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "takt.security"):
        for now_s in (5000.0, 5001.0, 1400.0, 1401.0):
            setup.now_s = now_s
            with pytest.raises(UnauthenticatedError):
                setup.guard.check(scope(authorization=b"Bearer none"))
    assert len(caplog.records) == 2


class AskedIssuer:
    """Knows a token once its issuer was asked, if it is ever known."""

    def __init__(self, *, comes: bool) -> None:
        self.comes, self.asked = comes, 0

    async def ask(self) -> None:
        self.asked += 1

    def identify(self, credential: bytes) -> Caller | None:
        if self.asked and self.comes:
            return Caller("robot", frozenset({"read"}))
        raise CallerPendingError("the token's key is unknown", self.ask)

    def stands(self, caller: Caller) -> bool:
        return True


READ = {
    "type": "http",
    "method": "GET",
    "path": "/metrics",
    "headers": [(b"authorization", b"Bearer a.b.c")],
}


@pytest.mark.anyio
async def test_a_caller_who_is_being_found_out_is_waited_for() -> None:
    issuer = AskedIssuer(comes=True)
    assert (await Guard(Credentials([issuer])).admit(READ)).name == "robot"
    assert issuer.asked == 1


@pytest.mark.anyio
async def test_a_caller_who_is_not_found_out_is_refused_after_one_wait() -> None:
    issuer = AskedIssuer(comes=False)
    with pytest.raises(UnauthenticatedError, match="key is unknown"):
        await Guard(Credentials([issuer])).admit(READ)
    assert issuer.asked == 1
