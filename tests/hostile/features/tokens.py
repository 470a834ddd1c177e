"""Tokens and keys of an issuer as nobody should make them, for a server that takes tokens."""

from __future__ import annotations

import base64
import hmac
import json
import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from takt.security.oidc.fetching import FetchError
from takt.security.oidc.issuer import ASK_AGAIN_AFTER_S
from takt.security.oidc.signing_keys import fetch_keys
from tests.hostile.features.outcome import Outcome
from tests.hostile.server import POLL_S, READY_WITHIN_S, Server, started
from tests.issuer import AUDIENCE, FakeIssuer

TAKT = Path(sys.executable).with_name("takt")
_ASKS = "/v1/models"
_GOOD_EVERY_S = 0.02
_WITHIN_S = 30.0
_AT_ONCE = 16
_UNKNOWN_SHARE = 0.1
"""Of inputs whose key the issuer may have: each waits until it was asked."""

_ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 10**400, -(10**400), 1e300, float("inf"), float("nan"), "", "first"),
    *("x" * 2000, "../../etc/passwd", "a\r\nX: y", "\ud800", "Ж", [], ["first"], {}, {"a": [1]}),
)


def send(count: int, seed: int, folder: Path) -> Outcome:
    """Send tokens to a server, and put documents before what reads the issuer's keys."""
    rng, outcome = random.Random(seed), Outcome()
    documents = count // 4
    unknown = max(1, round((count - documents) * _UNKNOWN_SHARE))
    with FakeIssuer() as issuer:
        known = [_token(rng, issuer) for _ in range(count - documents - unknown)]
        with _serving(folder, issuer) as server, _Good(server, issuer, outcome):
            _send_all(known, server, outcome)
            began_s, before = time.monotonic(), len(issuer.asked)
            _send_all([_of_unknown_key(rng, issuer) for _ in range(unknown)], server, outcome)
            asked = len(issuer.asked) - before
            # Two documents a look.
            if asked > 2 * (2 + (time.monotonic() - began_s) / ASK_AGAIN_AFTER_S):
                outcome.wrong.append(
                    f"{unknown} unknown keys had the issuer be asked {asked} times"
                )
            memory = server.memory()
            outcome.memory_mib = memory.peak_mib - server.start_mib
            if found := server.tracebacks():
                outcome.wrong.append(f"{found} tracebacks in the log")
        for _ in range(documents):
            _read(rng, issuer, outcome)
    return outcome


def _serving(folder: Path, issuer: FakeIssuer) -> Any:
    (folder / "models").mkdir()
    options = ("--oidc-issuer", issuer.url, "--oidc-audience", AUDIENCE, "--record", "none")
    command = [str(TAKT), "serve", "--repository", str(folder / "models"), "--port", "0", *options]
    return started(command, ready=False)


class _Good:
    """A client with a good token, which asks while the block lasts."""

    def __init__(self, server: Server, issuer: FakeIssuer, outcome: Outcome) -> None:
        self._server, self._outcome = server, outcome
        self._token = issuer.token(scope="read", exp=int(time.time()) + 3600)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        """Begin once the server knows the issuer's keys."""
        until_s = time.monotonic() + READY_WITHIN_S
        while _status(self._server, self._token) != "200":
            if time.monotonic() > until_s:
                raise SystemExit("the server takes no good token")
            time.sleep(POLL_S)
        self._server.start_mib = self._server.memory().now_mib
        self._server.forget_peak()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_GOOD_EVERY_S):
            if _status(self._server, self._token) == "200":
                self._outcome.good += 1
            else:
                self._outcome.unanswered += 1


def _send_all(tokens: list[tuple[str, bytes]], server: Server, outcome: Outcome) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = threads.map(lambda one: _status(server, one[1]), tokens)
        for (name, _), answer in zip(tokens, answers, strict=True):
            outcome.note(answer)
            if answer != "401":
                outcome.wrong.append(f"{name}: {answer}")


def _status(server: Server, token: bytes) -> str:
    connection = HTTPConnection(server.address.host, server.address.port, timeout=_WITHIN_S)
    try:
        connection.request("GET", _ASKS, headers={"Authorization": b"Bearer " + token})
        return str(connection.getresponse().status)
    except (OSError, HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def _part(value: object) -> bytes:
    return _packed(json.dumps(value).encode())


def _packed(text: bytes) -> bytes:
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def _token(rng: random.Random, issuer: FakeIssuer) -> tuple[str, bytes]:
    """A token that must not open anything, and its kind."""
    name = rng.choice([*_KINDS_OF_TOKENS])
    return name, _KINDS_OF_TOKENS[name](rng, issuer)


def _with_header(rng: random.Random, issuer: FakeIssuer) -> bytes:
    """A header of odd values before good claims and a good signature of another header."""
    header: dict[str, Any] = {"alg": "ES256", "kid": "first"}
    for _ in range(rng.randint(1, 3)):
        what = rng.choice(("alg", "typ", "crit", "b64", "jku", "jwk", "x5u", "zip", "cty"))
        header[what] = rng.choice((*_ODD, "none", "HS256", "RS256", issuer.url + "/keys"))
    return b".".join([_part(header | {"salt": rng.random()}), *issuer.token().split(b".")[1:]])


def _of_public_key(rng: random.Random, issuer: FakeIssuer) -> bytes:
    """Signed by HMAC with what everybody knows."""
    algorithm, digest = rng.choice((("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")))
    public = json.dumps(issuer.described("first")).encode()
    text = _part({"alg": algorithm, "kid": "first"}) + b"." + issuer.token().split(b".")[1]
    return text + b"." + _packed(hmac.digest(public, text, digest))


def _of_other_claims(rng: random.Random, issuer: FakeIssuer) -> bytes:
    """Well signed, with one claim that is another one's or none."""
    name, good = rng.choice((("iss", issuer.url), ("aud", AUDIENCE), ("exp", 1e300)))
    odd = [one for one in _ODD if one != good and not (name == "exp" and one == 1e300)]
    claims = {"iss": issuer.url, "aud": AUDIENCE, "exp": int(time.time()) + 300, "scope": "read"}
    value = rng.choice([*odd, str(int(time.time()) + 300)])
    return issuer.signed(json.dumps(claims | {name: value}).encode())


def _of_odd_claims(rng: random.Random, issuer: FakeIssuer) -> bytes:
    """Well signed, and no claims."""
    depth = rng.randint(1000, 2500)
    return issuer.signed(rng.choice((
        b"", b"[]", b"null", b"9" * 4500, b"[" * depth, b'{"a":' * (depth // 3), b"\xff\xfe",
        b'{"exp":' + b"9" * rng.randint(400, 4300) + b"}", b'{"exp":1e999,"iss":1,"aud":2}',
    )))  # fmt: skip


def _deep(rng: random.Random, issuer: FakeIssuer) -> bytes:
    """A header of endless depth."""
    depth = rng.randint(500, 5500)
    text = b'{"alg":"ES256","kid":"first","a":' + b"[" * depth
    return b".".join([_packed(text), *issuer.token().split(b".")[1:]])


def _cut(rng: random.Random, issuer: FakeIssuer) -> bytes:
    """A good token with some bytes changed or taken away."""
    token = bytearray(issuer.token())
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(token))
        if rng.random() < 0.5:
            token[place : place + rng.randint(2, 9)] = b""
        else:
            # A letter in place of the last one of a part may stand for the same bytes.
            token[place : place + 2] = rng.choices(b"!$%&*+,/:;<>?@^~", k=2)
    return bytes(token)


def _huge(rng: random.Random, issuer: FakeIssuer) -> bytes:
    """More bytes than any token has, as far as headers may go."""
    return issuer.token() + b"A" * rng.randint(8_192, 50_000)


_KINDS_OF_TOKENS: dict[str, Callable[[random.Random, FakeIssuer], bytes]] = {
    "header": _with_header,
    "public key": _of_public_key,
    "other claims": _of_other_claims,
    "odd claims": _of_odd_claims,
    "deep": _deep,
    "cut": _cut,
    "huge": _huge,
}


def _of_unknown_key(rng: random.Random, issuer: FakeIssuer) -> tuple[str, bytes]:
    """A token whose key the issuer may have by now."""
    name = rng.choice((rng.randbytes(8).hex(), "../" * 9 + "etc/passwd", "k" * 3000, "\ud800\n"))
    header = _part({"alg": "ES256", "kid": f"{name} {rng.random()}"})
    return "unknown key", b".".join([header, *issuer.token().split(b".")[1:]])


def _read(rng: random.Random, issuer: FakeIssuer, outcome: Outcome) -> None:
    """Read keys from odd documents; those that are good among them have to be found."""
    good = issuer.described("first")
    odd = [_odd_key(rng, good) for _ in range(rng.randint(0, 5))]
    keys, discovery = "/realms/line/keys", issuer.documents[issuer.discovery]
    spoilt: dict[str, Any] = {}
    kind = rng.choice(("keys", "keys", "bytes", "discovery"))
    if kind == "keys":
        spoilt[keys] = json.dumps({"keys": [*odd, good]}).encode()
    elif kind == "bytes":
        path = rng.choice((keys, issuer.discovery))
        spoilt[path] = rng.choice((
            b"", b"[" * 200_000, b" " * 300_000, b'{"keys":[' + b"{}," * 80_000 + b"{}]}",
            b"9" * 5000, b'{"keys":' + b"9" * 5000 + b"}", rng.randbytes(300), 302, 500,
        ))  # fmt: skip
    else:
        where = (*_ODD, "https://[::1", "https://a:b/", "file:///etc/passwd", "http://10.0.0.7/")
        text = {**discovery, rng.choice(("issuer", "jwks_uri")): rng.choice(where)}
        spoilt[issuer.discovery] = json.dumps(text).encode()
    before = {path: issuer.documents[path] for path in spoilt}
    issuer.documents |= spoilt
    try:
        found = fetch_keys(issuer.url)
    except FetchError as error:
        outcome.note("no keys")
        if kind == "keys" or not str(error).isprintable() or len(str(error)) > 300:
            outcome.wrong.append(f"{kind}: {error!a}")
    except Exception as error:
        outcome.note(type(error).__name__)
        outcome.wrong.append(f"{kind}: {error!a}")
    else:
        outcome.note("keys")
        if kind != "keys" or "first" not in {key.key_id for key in found}:
            outcome.wrong.append(f"{kind}: {[key.key_id for key in found]!a}")
    finally:
        issuer.documents |= before


def _odd_key(rng: random.Random, good: dict[str, Any]) -> Any:
    if rng.random() < 0.1:
        return rng.choice(_ODD)
    names = ("kty", "crv", "x", "y", "use", "alg", "kid", "n", "e", "d", "oth", "key_ops")
    odd = {rng.choice(names): rng.choice((*_ODD, "RSA", "OKP", "oct", "AAAA")) for _ in range(3)}
    return {**good, "kid": "odd", **odd}
