from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trustme

from takt.core.errors import ConfigurationError
from takt.security.oidc import fetching
from takt.security.oidc import issuer as issuer_module
from takt.security.oidc.fetching import FetchError, check_url, fetch_json
from takt.security.oidc.issuer import ASK_AGAIN_AFTER_S, Issuer, SigningKey
from takt.security.oidc.signing_keys import fetch_keys, keys_of
from tests.issuer import FakeIssuer

pytestmark = pytest.mark.anyio


def key(name: str) -> SigningKey:
    return SigningKey(name, None, None, name.encode())


@pytest.fixture(autouse=True)
def looks_are_due_at_once(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "strangers" not in request.node.name:
        monkeypatch.setattr(issuer_module, "ASK_AGAIN_AFTER_S", 0.0)


class Plant:
    """What an issuer's keys are, and what was told of them."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.published: tuple[SigningKey, ...] | None = (key("first"),)
        self.asked = 0
        self.told: list[object] = []
        self.issuer = Issuer(
            self.fetch, lambda: self.told.append("changed"), self.told.append, lambda: self.now_s
        )

    def fetch(self) -> tuple[SigningKey, ...]:
        self.asked += 1
        if self.published is None:
            raise FetchError("it is down")
        return self.published


async def test_new_keys_are_told_of_and_the_same_ones_are_not() -> None:
    plant = Plant()
    await plant.issuer.look()
    await plant.issuer.look()
    assert plant.told == ["changed", True]
    plant.published = (key("second"),)
    await plant.issuer.look()
    assert plant.told == ["changed", True] * 2
    assert plant.issuer.key("second") and not plant.issuer.key("first")


async def test_while_the_issuer_is_down_its_keys_stay(caplog: pytest.LogCaptureFixture) -> None:
    plant = Plant()
    await plant.issuer.look()
    plant.published = None
    for _ in range(3):
        await plant.issuer.look()
    assert plant.issuer.key("first")
    assert plant.told == ["changed", True, False]
    assert caplog.text.count("cannot be had, and those of before stay: it is down") == 1


async def test_strangers_make_the_issuer_be_asked_now_and_then_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(issuer_module.asyncio, "sleep", sleep)
    plant = Plant()
    await plant.issuer.look()
    plant.now_s += 1.0
    await plant.issuer.look()
    assert slept[0] <= 0
    assert slept[1:] == [ASK_AGAIN_AFTER_S - 1.0]
    assert plant.asked == 2


async def test_those_who_wait_share_one_answer_and_the_loop_goes_on_meanwhile() -> None:
    plant, answered = Plant(), threading.Event()
    plant.issuer = Issuer(lambda: answered.wait(60) and plant.fetch())  # type: ignore[arg-type]
    waiting = [asyncio.create_task(plant.issuer.look()) for _ in range(20)]
    for _ in range(100):
        await asyncio.sleep(0)
    waiting[0].cancel()  # one hangs up, which is nothing to the others
    answered.set()
    await asyncio.gather(*waiting[1:])
    assert plant.asked == 1
    assert plant.issuer.key("first")


async def test_an_error_of_ours_ends_no_looking(caplog: pytest.LogCaptureFixture) -> None:
    told: list[bool] = []
    issuer = Issuer(lambda: 1 / 0, reloaded=told.append)  # type: ignore[arg-type, return-value]
    await issuer.look()
    assert told == [False]
    assert "ZeroDivisionError" in caplog.text


async def test_a_token_without_a_name_of_its_key_is_checked_by_the_only_one() -> None:
    plant = Plant()
    await plant.issuer.look()
    assert plant.issuer.key("")
    plant.published = (key("first"), key("second"))
    await plant.issuer.look()
    assert plant.issuer.key("") is None


def test_keys_come_from_where_the_issuer_says(issuer: FakeIssuer) -> None:
    issuer.rotate("first", "second")
    assert [one.key_id for one in fetch_keys(issuer.url)] == ["first", "second"]
    assert issuer.asked == [issuer.discovery, "/realms/line/keys"]


@pytest.mark.parametrize(
    ("path", "document", "why"),
    [
        ("discovery", 503, "answers 503"),
        ("discovery", b"{", "no JSON"),
        ("discovery", [], "no JSON object"),
        ("discovery", b" " * 30_0000, "more than"),
        ("discovery", 302, "answers 302"),
        ("discovery", {"issuer": "https://other.example"}, "the very same"),
        ("discovery", {"issuer": "https://other.example/" + "a" * 1000}, "the very same"),
        ("discovery", {"jwks_uri": "http://elsewhere.example/keys"}, "must be https"),
        ("discovery", {"jwks_uri": "file:///etc/passwd"}, "must be https"),
        ("discovery", {"jwks_uri": "https://plant.example\nERROR all is lost"}, "plant.example"),
        ("discovery", {"jwks_uri": "https://\u0130.example/"}, "cannot be had"),
        ("discovery", {"jwks_uri": "https://127.0.0.1:1/\u00e9"}, "cannot be had"),
        ("discovery", {"jwks_uri": "https://" + "a" * 30_000}, "cannot be had"),
        ("discovery", b"[" * 100_000, "no JSON"),
        ("/realms/line/keys", {"keys": []}, "no key"),
        ("/realms/line/keys", {"keys": "none"}, "no key"),
    ],
)
def test_an_issuer_that_says_something_else_is_told(
    issuer: FakeIssuer, path: str, document: object, why: str
) -> None:
    path = issuer.discovery if path == "discovery" else path
    if isinstance(document, dict) and "keys" not in document:
        document = issuer.documents[path] | document
    issuer.documents[path] = document
    with pytest.raises(FetchError, match=why) as told:
        fetch_keys(issuer.url)
    assert str(told.value).isprintable() and len(str(told.value)) <= 300


def test_an_issuer_that_is_gone_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(FetchError, match="cannot be had"):
        fetch_json(f"http://127.0.0.1:{port}/")


def test_keys_that_could_forge_or_are_for_other_things_are_passed_over(issuer: FakeIssuer) -> None:
    good = issuer.described("first")
    others = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        {**good, "use": "enc"},
        {**good, "alg": "HS256"},
        {**good, "x": "AAAA"},
        {**good, "crv": "P-0"},
        {**good, "d": "AAAA"},
        {"kty": "RSA", "kid": "empty"},
        {"kid": "nothing"},
        {**good, "kty": ["EC"]},
        {**good, "kty": {"a": "EC"}},
        {**good, "kid": ["first"]},
        {**good, "x": 7},
        "no key",
    ]
    assert [one.key_id for one in keys_of({"keys": [*others, good]})] == ["first"]


@pytest.mark.parametrize(
    "url", ["http://login.example", "login.example", "ftp://a", "", "https://"]
)
def test_an_issuer_must_be_asked_over_tls(url: str) -> None:
    with pytest.raises(ConfigurationError, match="oidc_issuer"):
        check_url(url, "oidc_issuer")


@pytest.mark.parametrize("url", ["https://login.example/a", "http://127.0.0.1:9/", "http://[::1]/"])
def test_an_issuer_on_this_machine_needs_no_tls(url: str) -> None:
    check_url(url, "oidc_issuer")


def test_keys_are_fetched_over_tls_from_a_host_that_is_trusted(
    issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    issuer.speak_tls(context)
    with pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch_keys(issuer.url)
    with authority.cert_pem.tempfile() as file:
        monkeypatch.setenv("SSL_CERT_FILE", file)
        assert [one.key_id for one in fetch_keys(issuer.url)] == ["first"]


@contextmanager
def dripping(scheme: str, head: bytes, drop: bytes) -> Iterator[str]:
    """A URL whose answer never ends, though something of it always comes."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                connection.sendall(head)
                while not ended.wait(0.005):
                    connection.sendall(drop)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize(
    ("scheme", "head", "drop"),
    [
        ("http", b"", b"H"),
        ("http", b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        ("http", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("http", b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        # The beginning of a record of 16 KiB.
        ("https", b"\x16\x03\x03\x40\x00", b"\2"),
    ],
    ids=["status", "headers", "promises", "body", "chunks", "handshake"],
)
def test_a_document_has_its_time_however_it_drips(
    monkeypatch: pytest.MonkeyPatch, scheme: str, head: bytes, drop: bytes
) -> None:
    monkeypatch.setattr(fetching, "FETCH_WITHIN_S", 0.1)
    with (
        dripping(scheme, head, drop) as url,
        pytest.raises(FetchError, match="did not come within"),
    ):
        fetch_json(url)
