from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Iterator

import pytest

from takt.core.errors import ConfigurationError, UnauthenticatedError
from takt.security.caller import CallerPendingError
from takt.security.credentials import Credentials
from takt.security.keys.key import NAME
from takt.security.oidc import issuer as issuer_module
from takt.security.oidc.issuer import Issuer
from takt.security.oidc.signing_keys import fetch_keys
from takt.security.oidc.token_authenticator import (
    LEEWAY_S,
    TokenAuthenticator,
    parse_scopes,
)
from tests.issuer import AUDIENCE, FakeIssuer


@pytest.fixture
def known(issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    """Keys that were looked at once, and may be at once again."""
    monkeypatch.setattr(issuer_module, "ASK_AGAIN_AFTER_S", 0.0)
    found = Issuer(lambda: fetch_keys(issuer.url))
    asyncio.run(found.look())
    return found


@pytest.fixture
def authenticator(known: Issuer, issuer: FakeIssuer) -> TokenAuthenticator:
    return TokenAuthenticator(known, issuer.url, AUDIENCE, parse_scopes(""))


def test_a_token_of_the_issuer_is_a_caller(
    authenticator: TokenAuthenticator, issuer: FakeIssuer
) -> None:
    expires_s = int(time.time()) + 60
    caller = authenticator.identify(issuer.token(exp=expires_s, scope="openid inspect read"))
    assert caller is not None
    assert (caller.name, caller.scopes) == ("oidc:robot-3", {"inspect", "read"})
    assert caller.expires_s == expires_s + LEEWAY_S
    assert authenticator.stands(caller)


def test_rsa_keys_serve_as_well(
    authenticator: TokenAuthenticator, known: Issuer, issuer: FakeIssuer
) -> None:
    issuer.rotate("rsa", kind="RSA")
    asyncio.run(known.look())
    for algorithm in ("RS256", "PS256"):
        assert authenticator.identify(issuer.token("rsa", algorithm)) is not None


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "inspect operate"}, {"inspect", "operate"}),
        ({"scope": None, "scp": "read"}, {"read"}),
        ({"scope": None, "scp": ["read", "inspect"]}, {"read", "inspect"}),
        ({"scope": None, "roles": ["operate"]}, {"operate"}),
        ({"scope": None, "groups": ["operate", 7, {}]}, {"operate"}),
        ({"scope": "all * inspector"}, set()),
        ({"scope": {"inspect": True}}, set()),
        ({"scope": None}, set()),
    ],
)
def test_scopes_are_where_issuers_put_them(
    authenticator: TokenAuthenticator, issuer: FakeIssuer, claims, scopes: set[str]
) -> None:
    caller = authenticator.identify(issuer.token(**claims))
    assert caller is not None
    assert caller.scopes == scopes


def test_groups_of_a_plant_stand_for_scopes(known: Issuer, issuer: FakeIssuer) -> None:
    scopes = parse_scopes("lines=inspect, the admins = operate, the admins=read")
    authenticator = TokenAuthenticator(known, issuer.url, AUDIENCE, scopes)
    caller = authenticator.identify(issuer.token(groups=["the admins"], scope="inspect"))
    assert caller is not None
    assert caller.scopes == {"operate", "read"}


@pytest.mark.parametrize("text", ["lines", "lines=all", "=inspect", "a=inspect,,b=read"])
def test_scopes_that_are_no_pairs_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="oidc_scopes"):
        parse_scopes(text)


def test_a_name_is_one_short_line(authenticator: TokenAuthenticator, issuer: FakeIssuer) -> None:
    token = issuer.token(preferred_username="eve\n2026-01-01 line1 " + "x" * 100)
    caller = authenticator.identify(token)
    assert caller is not None
    assert caller.name == "oidc:" + ("eve?2026-01-01 line1 " + "x" * 100)[:64]


@pytest.mark.parametrize("name", [["server"], {"a": "b"}, 7, True, "", None])
def test_what_is_no_text_is_no_name(
    authenticator: TokenAuthenticator, issuer: FakeIssuer, name: object
) -> None:
    caller = authenticator.identify(issuer.token(preferred_username=name))
    assert caller is not None
    assert caller.name == "oidc:robot-3"


@pytest.mark.parametrize("name", ["server", "file", "line3", "oidc:anna", "key:server"])
def test_a_name_is_never_that_of_a_key_or_of_the_server(
    authenticator: TokenAuthenticator, issuer: FakeIssuer, name: str
) -> None:
    caller = authenticator.identify(issuer.token(preferred_username=name))
    assert caller is not None
    assert caller.name == f"oidc:{name}"
    assert NAME.fullmatch(caller.name) is None


def now_s(seconds: float) -> int:
    return int(time.time() + seconds)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": now_s(-LEEWAY_S - 5)}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "soon"}, "(?i)exp"),
        ({"exp": str(now_s(1e6))}, "exp is no number"),
        ({"exp": 10**400}, "too large"),
        ({"exp": float("inf")}, "(?i)exp"),
        ({"exp": float("nan")}, "(?i)exp"),
        ({"exp": -(10**400)}, "expired"),
        ({"exp": True}, "expired"),
        ({"nbf": "0"}, "nbf is no number"),
        ({"nbf": -(10**400)}, "too large"),
        ({"nbf": now_s(1e6)}, "not yet valid"),
        ({"aud": "another"}, "(?i)audience"),
        ({"aud": None}, "aud"),
        ({"iss": "https://evil.example"}, "(?i)issuer"),
        ({"iss": None}, "iss"),
    ],
)
def test_a_token_of_another_time_audience_or_issuer_is_refused(
    authenticator: TokenAuthenticator, issuer: FakeIssuer, claims, why: str
) -> None:
    with pytest.raises(UnauthenticatedError, match=why):
        authenticator.identify(issuer.token(**claims))


def test_clocks_may_differ_a_little(authenticator: TokenAuthenticator, issuer: FakeIssuer) -> None:
    token = issuer.token(exp=now_s(-LEEWAY_S + 10), nbf=now_s(LEEWAY_S - 10))
    assert authenticator.identify(token) is not None


def part(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def with_header(token: bytes, **header: object) -> bytes:
    _, claims, signature = token.split(b".")
    return b".".join([part(header), claims, signature])


def forged(issuer: FakeIssuer) -> Iterator[bytes]:
    token = issuer.token()
    head, claims, signature = token.split(b".")
    yield with_header(token, alg="none", kid="first")
    yield with_header(token, alg="None", kid="first")
    yield with_header(token, alg="HS256", kid="first")
    yield with_header(token, alg="RS256", kid="first")
    yield with_header(token, kid="first")
    yield with_header(token, alg=["ES256"], kid="first")
    yield with_header(token, alg="ES256", kid="first", crit=["b64"], b64=False)
    yield b".".join([head, part({"sub": "admin"}), signature])
    yield b".".join([head, claims, b""])
    yield b".".join([head, claims, signature[:-4] + b"AAAA"])
    # Signed by what everybody knows, which is the classic.
    public = json.dumps(issuer.described("first")).encode()
    text = b".".join([part({"alg": "HS256", "kid": "first"}), claims])
    made = hmac.digest(public, text, "sha256")
    yield b".".join([text, base64.urlsafe_b64encode(made).rstrip(b"=")])


def test_forged_tokens_are_refused(authenticator: TokenAuthenticator, issuer: FakeIssuer) -> None:
    credentials = Credentials([authenticator])
    assert credentials.identify(issuer.token())
    for token in forged(issuer):
        with pytest.raises(UnauthenticatedError):
            credentials.identify(token)
    assert len(issuer.asked) == 2, "a forged algorithm makes nobody ask the issuer"


@pytest.mark.parametrize(
    "claims", [b"", b"[1]", b"9" * 4500, b"[" * 2500, b'{"a":' + b"[" * 2500 + b"]" * 2500 + b"}"]
)
def test_claims_that_cannot_be_read_are_refused(
    authenticator: TokenAuthenticator, issuer: FakeIssuer, claims: bytes
) -> None:
    with pytest.raises(UnauthenticatedError, match="the token is refused"):
        authenticator.identify(issuer.signed(claims))


def test_a_header_of_endless_depth_is_no_token(
    authenticator: TokenAuthenticator, issuer: FakeIssuer
) -> None:
    deep = base64.urlsafe_b64encode(b'{"alg":"ES256","a":' + b"[" * 5000).rstrip(b"=")
    _, claims, signature = issuer.token().split(b".")
    assert authenticator.identify(b".".join([deep, claims, signature])) is None


def test_a_clock_that_is_set_neither_keeps_a_token_nor_loses_it(
    authenticator: TokenAuthenticator, issuer: FakeIssuer
) -> None:
    now: list[float] = [time.time()]
    credentials = Credentials([authenticator], lambda: now[0])
    token = issuer.token(exp=int(now[0]) + 300)
    caller = credentials.identify(token)
    now[0] += 400
    assert not credentials.stands(caller)
    now[0] -= 400
    assert credentials.stands(caller) and credentials.identify(token) == caller


@pytest.mark.parametrize("other", [b"takt_abc", b"", b"a.b", b"a.b.c", b"x" * 9000 + b".b.c"])
def test_what_is_no_token_is_left_to_others(
    authenticator: TokenAuthenticator, other: bytes
) -> None:
    assert authenticator.identify(other) is None


def test_a_key_that_is_not_known_is_asked_for(
    authenticator: TokenAuthenticator, known: Issuer, issuer: FakeIssuer
) -> None:
    issuer.rotate("second")
    token = issuer.token("second")
    with pytest.raises(CallerPendingError, match="none of the issuer's") as pending:
        authenticator.identify(token)
    asyncio.run(pending.value.settle())
    assert authenticator.identify(token) is not None


def test_a_caller_whose_key_was_withdrawn_stands_no_more(
    authenticator: TokenAuthenticator, known: Issuer, issuer: FakeIssuer
) -> None:
    caller = authenticator.identify(issuer.token())
    assert caller is not None
    issuer.rotate("first", "second")
    asyncio.run(known.look())
    assert authenticator.stands(caller)
    issuer.rotate("second")
    asyncio.run(known.look())
    assert not authenticator.stands(caller)
