from __future__ import annotations

import hmac
from datetime import UTC, datetime

import pytest

from takt.core.errors import UnauthenticatedError
from takt.security.caller import Caller
from takt.security.keys.key import Key, digest_of, new_key
from takt.security.keys.key_ring import KeyRing

MADE = [new_key(f"line{n}", frozenset({"inspect"})) for n in range(5)]
KEYS = [key for key, _ in MADE]
SECRETS = [secret.encode() for _, secret in MADE]


class Watched:
    """Compares in constant time, and remembers what."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, bytes]] = []

    def __call__(self, ours: bytes, theirs: bytes) -> bool:
        self.seen.append((ours, theirs))
        return hmac.compare_digest(ours, theirs)


@pytest.mark.parametrize(
    "credential",
    [
        *(SECRETS[0], SECRETS[2], SECRETS[4]),
        *(SECRETS[0][:-1], SECRETS[0][:20], SECRETS[0] + b"x", SECRETS[0][:-1] + b"!"),
        *(b"", b"takt_", b"\xff" * 4096),
    ],
    # The keys are others in each process.
    ids=range(10),
)
def test_whatever_came_is_compared_with_every_key_as_a_whole_digest(credential: bytes) -> None:
    compare = Watched()
    KeyRing(KEYS, compare).identify(credential)

    # The same comparisons of the same length, in the same order, for a right key anywhere and for
    # a wrong one, however much of it is right.
    assert [ours for ours, _ in compare.seen] == [key.digest for key in KEYS]
    assert {theirs for _, theirs in compare.seen} == {digest_of(credential)}
    assert {len(theirs) for _, theirs in compare.seen} == {32}


def test_the_comparison_itself_is_of_constant_time() -> None:
    assert KeyRing.__init__.__defaults__[1] is hmac.compare_digest  # type: ignore[index]


def test_each_key_leads_to_its_caller_and_no_part_of_one_does() -> None:
    ring = KeyRing(KEYS)

    assert [ring.identify(secret) for secret in SECRETS] == [key.caller for key in KEYS]
    for wrong in (SECRETS[0][:-1], SECRETS[0] + b"\n", KEYS[0].digest, b""):
        assert ring.identify(wrong) is None


def test_an_expired_key_is_refused_with_its_name() -> None:
    now_s = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    key, secret = new_key("old", frozenset({"read"}), datetime(2030, 1, 1, 0, 0, 1, tzinfo=UTC))
    ring = KeyRing([key], clock=lambda: now_s)

    assert ring.identify(secret.encode()) == key.caller
    now_s += 1
    with pytest.raises(UnauthenticatedError, match="the key old expired at 2030-01-01T00:00:01"):
        ring.identify(secret.encode())


def test_a_caller_stands_only_while_its_very_key_is_there_with_the_same_rights() -> None:
    ring = KeyRing(KEYS)
    caller = KEYS[0].caller
    assert ring.stands(caller)
    ring.replace(KEYS[1:])
    assert not ring.stands(caller)
    again, _ = new_key(KEYS[0].name, KEYS[0].scopes)
    ring.replace([again])
    assert not ring.stands(caller)
    ring.replace([Key(KEYS[0].name, KEYS[0].digest, frozenset({"read"}))])
    assert not ring.stands(caller)
    assert not ring.stands(Caller("jwt", frozenset({"inspect"})))
