"""Whose call it is, and whom it trusts: keys and certificates, over REST and streams."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from stream_scripts import answer_until_bye, greet
from takt_client import AsyncTaktClient, RetryPolicy, TaktClient
from takt_client.connection import KEY_VARIABLE
from takt_client.errors import (
    InsufficientScopeError,
    InvalidParameterError,
    RequestError,
    UnauthenticatedError,
    UnreachableError,
    UnreadableAnswerError,
)

KEY = "tk_7Yw-secret"
BEARER = f"Bearer {KEY}"


def keys_of(call: Callable[..., Any], **given: Any) -> list[str | None]:
    """The `Authorization` of a call."""
    seen: list[str | None] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(200, json={"models": []})

    call(handle, "models", options=given)
    return seen


def test_a_key_goes_with_each_call(call) -> None:
    assert keys_of(call, key=KEY) == [BEARER]


def test_a_key_of_the_environment_is_used_where_none_is_given(call, monkeypatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, f"{KEY}\n")
    assert keys_of(call) == [BEARER]
    assert keys_of(call, key="tk_other") == ["Bearer tk_other"]
    assert keys_of(call, headers={"authorization": "Basic eA=="}) == ["Basic eA=="]


@pytest.mark.parametrize("of_the_environment", [None, ""])
def test_without_a_key_nothing_is_shown(call, monkeypatch, of_the_environment) -> None:
    if of_the_environment is not None:
        monkeypatch.setenv(KEY_VARIABLE, of_the_environment)
    assert keys_of(call) == [None]


def test_a_key_beside_another_authorization_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="not both"):
        TaktClient("http://takt", key=KEY, headers={"Authorization": "Basic eA=="})


@pytest.mark.parametrize("wrong", ["", " \n", f"{KEY}\r\nX: 1", f"{KEY} {KEY}", f"{KEY}é"])
@pytest.mark.parametrize("client", [TaktClient, AsyncTaktClient])
def test_a_key_that_is_none_is_refused_and_not_shown(client, wrong) -> None:
    with pytest.raises(InvalidParameterError, match="not shown") as caught:
        client("http://takt", key=wrong)
    assert KEY not in repr(caught.value)


def keyed(wire, seen: list[str | None]) -> Callable[[ServerConnection], None]:
    def script(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers.get("authorization"))
        greet(wire, connection)
        answer_until_bye(wire, connection)

    return script


def test_a_key_goes_with_the_handshake_of_each_connection_of_a_stream(
    stream, scripted, wire
) -> None:
    seen: list[str | None] = []

    def breaks_off(connection: ServerConnection) -> None:
        greet(wire, connection)
        connection.recv()
        connection.close(1011, "unforeseen")

    with scripted(breaks_off, keyed(wire, seen)) as url:
        stream(url, [b"a"], [], options={"key": KEY})
    assert seen == [BEARER]


def test_a_key_is_in_no_text_that_the_client_makes(stream, scripted, wire, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(keyed(wire, [])) as url:
        stream(url, [b"a"], [], options={"key": KEY})
        client = TaktClient(url, key=KEY)
        calls = client._calls
        shown = [client, calls.http, calls.http.headers, calls._server]
        client.close()
        with pytest.raises(UnreachableError) as caught:
            stream("http://127.0.0.1:9", [b"a"], [], options={"key": KEY})
    of_the_client = [one for one in caplog.records if one.name != "websockets.server"]
    text = "\n".join([*map(repr, shown), *(one.getMessage() for one in of_the_client)])
    assert KEY not in text + repr(caught.value)


def answered_before_the_handshake(
    status: int, body: bytes = b"", **headers: str
) -> Callable[[ServerConnection, Request], Response]:
    def answer(connection: ServerConnection, request: Request) -> Response:
        length = {"Content-Length": str(len(body)), "Connection": "close"}
        return Response(status, HTTPStatus(status).phrase, Headers({**length, **headers}), body)

    return answer


@pytest.mark.parametrize("error", [UnauthenticatedError, InsufficientScopeError])
def test_a_refused_key_is_told_and_not_tried_again(
    call, stream, scripted, wire, time, error: type[RequestError]
) -> None:
    code, status = error.code, error.status
    problem = wire.problem(code, status)
    asked: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, json=problem)

    with pytest.raises(error, match=f"the detail of {code}"):
        call(refuse, "models", options={"key": KEY})
    before = answered_before_the_handshake(status, httpx.Response(200, json=problem).content)
    with (
        scripted(process_request=before) as url,
        pytest.raises(error, match=f"the detail of {code}"),
    ):
        stream(url, [b"a"], [], options={"key": KEY})
    assert (len(asked), time.waits_s) == (1, [])


def test_a_redirect_takes_a_key_nowhere(call, stream, scripted, wire) -> None:
    seen: list[str | None] = []
    with scripted(keyed(wire, seen)) as elsewhere:
        redirect = {"Location": f"{elsewhere}/v1/models/parts/stream".replace("http", "ws", 1)}
        before = answered_before_the_handshake(307, **redirect)
        with scripted(process_request=before) as url, pytest.raises(UnreadableAnswerError):
            stream(url, [b"a"], [], options={"key": KEY})
        assert seen == []
        with pytest.raises(UnreadableAnswerError, match="HTTP 307"):
            call(lambda _: httpx.Response(307, headers=redirect), "models", options={"key": KEY})
        stream(elsewhere, [b"a"], [])


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def cafile(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def certfile(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "client.pem"
    authority.issue_cert("camera@line").private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


@pytest.fixture
def https(scripted, wire, server_tls: ssl.SSLContext) -> Iterator[str]:
    """A server of one stream, which also lists no models."""

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        if request.path != "/v1/models":
            return None
        body = b'{"models": []}'
        return Response(200, "OK", Headers({"Content-Length": str(len(body))}), body)

    with scripted(keyed(wire, []), process_request=answer, ssl=server_tls) as url:
        yield url


def models(url: str, **options: Any) -> object:
    with TaktClient(url, **options) as client:
        return client.models()


def test_an_authority_of_one_s_own_is_trusted_by_calls_and_streams(stream, https, cafile) -> None:
    assert models(https, cafile=cafile) == ()
    seen: list[object] = []
    stream(https, [b"a"], seen, options={"cafile": str(cafile)})
    assert len(seen) == 1


def test_the_system_s_authorities_are_trusted_by_calls_and_streams(
    stream, https, cafile, monkeypatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(cafile))
    assert models(https) == ()
    stream(https, [b"a"], [])


def test_a_certificate_that_nobody_vouches_for_is_told_and_not_tried_again(
    stream, https, cafile, time
) -> None:
    for ask in (lambda: models(https), lambda: stream(https, [b"a"], [])):
        with pytest.raises(UnreachableError, match="give cafile"):
            ask()
    assert time.waits_s == []
    stream(https, [b"a"], [], options={"cafile": cafile})


def test_a_certificate_of_the_client_is_shown(
    stream, https, authority, server_tls, cafile, certfile
) -> None:
    authority.configure_trust(server_tls)
    server_tls.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(UnreachableError):
        models(https, cafile=cafile, retry=RetryPolicy(deadline_s=0.01))
    assert models(https, cafile=cafile, certfile=certfile) == ()
    stream(https, [b"a"], [], options={"cafile": cafile, "certfile": certfile})


@pytest.mark.parametrize("option", ["cafile", "certfile"])
def test_a_file_without_certificates_is_told_by_its_name(tmp_path: Path, option) -> None:
    path = tmp_path / "wrong.pem"
    for _ in range(2):
        with pytest.raises(InvalidParameterError, match=r"wrong\.pem has not .*certificate"):
            TaktClient("https://takt", **{option: path})
        path.write_text("no certificate")


def test_files_of_certificates_without_https_or_beside_tls_are_refused(cafile) -> None:
    with pytest.raises(InvalidParameterError, match="are of https"):
        TaktClient("http://takt", cafile=cafile)
    with pytest.raises(InvalidParameterError, match="not both"):
        TaktClient("https://takt", cafile=cafile, tls=ssl.create_default_context())
