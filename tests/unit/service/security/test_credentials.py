from __future__ import annotations

import gc

import pytest

from takt.core.errors import UnauthenticatedError
from takt.security import credentials
from takt.security.caller import Caller
from takt.security.credentials import Credentials

READ = frozenset({"read"})


class Book:
    """An authenticator that counts how often it is asked."""

    def __init__(self, **callers: Caller) -> None:
        self.callers = callers
        self.asked = 0

    def identify(self, credential: bytes) -> Caller | None:
        self.asked += 1
        return self.callers.get(credential.decode())

    def stands(self, caller: Caller) -> bool:
        return caller in self.callers.values()


ANN, BOB = Caller("ann", READ, b"1"), Caller("bob", READ, b"2", expires_s=100.0)


def test_a_caller_is_looked_for_once_until_the_answers_change() -> None:
    book = Book(a=ANN)
    known = Credentials([book])
    assert [known.identify(b"a") for _ in range(9)] == [ANN] * 9
    assert book.asked == 1
    book.callers.clear()
    known.forget()
    with pytest.raises(UnauthenticatedError, match="not known here"):
        known.identify(b"a")


def test_one_who_is_remembered_ends_in_time() -> None:
    now_s = 99.0
    book = Book(b=BOB)
    known = Credentials([book], clock=lambda: now_s)
    assert known.identify(b"b") is BOB
    assert known.stands(BOB)
    now_s, book.callers = 100.0, {}
    assert not known.stands(BOB)
    with pytest.raises(UnauthenticatedError):
        known.identify(b"b")


def test_each_kind_of_credential_is_asked_for() -> None:
    known = Credentials([Book(a=ANN), Book(b=BOB)], clock=lambda: 0.0)
    assert (known.identify(b"a"), known.identify(b"b")) == (ANN, BOB)
    assert known.stands(ANN) and known.stands(BOB)


def test_strangers_take_no_memory_and_callers_a_bounded_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(credentials, "_MOST_REMEMBERED", 4)
    callers = {str(n): Caller(str(n), READ, str(n).encode()) for n in range(10)}
    known = Credentials([Book(**callers)])
    for n in range(100):
        with pytest.raises(UnauthenticatedError):
            known.identify(f"wrong{n}".encode())
    assert len(known._known) == 0
    for n in range(10):
        known.identify(str(n).encode())
        assert len(known._known) <= 4


def test_what_is_remembered_has_no_credential_in_it() -> None:
    secret = b"takt_" + b"s" * 43
    known = Credentials([Book(**{secret.decode(): ANN})])
    known.identify(bytes(bytearray(secret)))
    kept = [*known._known, *known._known.values()]
    assert all(secret not in repr(one).encode() for one in kept)
    assert not any(secret is one for one in gc.get_referents(known.__dict__))
