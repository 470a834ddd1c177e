import logging
from typing import Any

import pytest

from takt.core.errors import ForbiddenError, MisdirectedRequestError, RequestError
from takt.security.gate import Gate
from takt.security.hosts import AllowedHosts
from takt.security.origins import AllowedOrigins

EVIL = {"origin": "https://evil.example"}


def gate(hosts: str = "", origins: str = "") -> Gate:
    return Gate(AllowedHosts(hosts), AllowedOrigins(origins))


def scope(kind: str = "GET", *more: tuple[str, str], **headers: str) -> dict[str, Any]:
    named = {"host": "localhost:8000"} | {n.replace("_", "-"): v for n, v in headers.items()}
    listed = [(n.encode(), v.encode()) for n, v in (*named.items(), *more)]
    asgi = {"type": "websocket"} if kind == "WS" else {"type": "http", "method": kind}
    return asgi | {"http_version": "1.1", "headers": listed}


@pytest.mark.parametrize("kind", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND", "WS"])
def test_what_changes_or_costs_something_needs_a_page_that_may(kind: str) -> None:
    with pytest.raises(ForbiddenError):
        gate().check(scope(kind, **EVIL))
    with pytest.raises(ForbiddenError):
        gate().check(scope(kind, sec_fetch_site="cross-site"))
    gate().check(scope(kind))
    gate().check(scope(kind, origin="http://localhost:8000", sec_fetch_site="same-origin"))
    gate(origins="https://evil.example").check(scope(kind, **EVIL))


@pytest.mark.parametrize("kind", ["GET", "HEAD", "OPTIONS"])
def test_reading_is_free_since_a_foreign_page_cannot_see_the_answer(kind: str) -> None:
    gate().check(scope(kind, sec_fetch_site="cross-site", **EVIL))


@pytest.mark.parametrize("kind", ["GET", "POST", "WS"])
def test_a_name_that_was_pointed_here_gets_nothing_though_its_page_is_of_the_same_origin(
    kind: str,
) -> None:
    rebound = {"host": "evil.example", "origin": "http://evil.example"}
    with pytest.raises(MisdirectedRequestError):
        gate(origins="*").check(scope(kind, sec_fetch_site="same-origin", **rebound))


def test_a_name_that_was_pointed_to_a_proxy_gets_nothing_either() -> None:
    for forwarded in ("evil.example", "localhost, evil.example", "evil.example, localhost"):
        with pytest.raises(MisdirectedRequestError):
            gate().check(scope("GET", x_forwarded_host=forwarded))
    with pytest.raises(MisdirectedRequestError):
        gate().check(scope("GET", ("x-forwarded-host", "evil.example"), x_forwarded_host="takt"))


def test_a_page_behind_a_proxy_is_an_own_page_where_its_name_is_allowed() -> None:
    proxied = {"origin": "https://takt.example", "x_forwarded_host": "takt.example"}
    gate("takt.example").check(scope("PUT", **proxied))


def test_a_right_request_does_not_make_a_wrong_one_right() -> None:
    both = gate()
    both.check(scope("PUT"))
    with pytest.raises(ForbiddenError):
        both.check(scope("PUT", **EVIL))
    with pytest.raises(MisdirectedRequestError):
        both.check(scope("PUT", host="evil.example"))
    both.check(scope("PUT"))


def test_one_host_is_named_or_by_old_programs_none() -> None:
    twice = scope("GET", ("host", "localhost"))
    none = scope() | {"headers": []}
    for bad in (twice, none):
        with pytest.raises(RequestError, match="headers Host; send one"):
            gate().check(bad)
    gate().check(none | {"http_version": "1.0"})


def test_each_refused_name_is_logged_once_and_not_without_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours = gate()
    with caplog.at_level(logging.WARNING, "takt.security"):
        for number in range(100):
            for _ in range(2):
                with pytest.raises(MisdirectedRequestError):
                    ours.check(scope(host=f"name{number}.example"))
    assert len(caplog.records) == 16
    assert "name0.example" in caplog.text and "allowed_hosts" in caplog.text
