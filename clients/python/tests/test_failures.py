import json
import socket
from collections.abc import Iterator

import pytest

from takt_client.errors import (
    DriftError,
    InvalidImageError,
    QueueFullError,
    RequestError,
    TaktError,
    UnavailableError,
    UnreachableError,
    UnreadableAnswerError,
)
from takt_client.failures import error_of, refusal_of, unreachable


def tree(root: type[TaktError]) -> Iterator[type[TaktError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


SERVERS = [kind for kind in tree(TaktError) if kind.__module__ == TaktError.__module__]
"""Those that a server may answer with, whatever else the test run has imported."""


@pytest.mark.parametrize("kind", SERVERS, ids=lambda kind: kind.__name__)
def test_each_error_of_the_tree_comes_back_as_itself(kind: type[TaktError]) -> None:
    error = error_of(kind.status, kind.code, kind.title, "mend it so")
    assert type(error) is kind
    assert str(error) == "mend it so"


def test_a_subclass_is_not_taken_for_its_parent() -> None:
    assert type(error_of(500, "drift", "", "")) is DriftError


@pytest.mark.parametrize(
    ("status", "family"), [(404, RequestError), (503, UnavailableError), (500, TaktError)]
)
def test_a_code_of_a_later_release_becomes_its_family(status: int, family: type[TaktError]) -> None:
    error = error_of(status, "brand_new", "New", "do that")
    assert type(error) is family
    assert "brand_new" in str(error)
    assert "do that" in str(error)


def test_a_full_queue_says_when_to_come_back(wire) -> None:
    refusal = refusal_of(429, json.dumps(wire.problem("queue_full", 429)).encode(), "3")
    assert isinstance(refusal.error, QueueFullError)
    assert refusal.error.retry_after_s == 3
    assert refusal.retry_after_s == 3.0
    assert refusal.again


def test_the_request_id_is_noted_for_the_server_s_log(wire) -> None:
    body = json.dumps(wire.problem("invalid_image", 400, request_id="abc")).encode()
    refusal = refusal_of(400, body)
    assert isinstance(refusal.error, InvalidImageError)
    assert not refusal.again
    assert refusal.error.__notes__ == ["request id abc"]


@pytest.mark.parametrize(
    "body", [b"<html>Bad gateway</html>", b"", b"[]", b'{"detail": "Not Found"}', b"null"]
)
def test_what_a_proxy_answers_is_shown_and_not_guessed_at(body: bytes) -> None:
    error = refusal_of(500, body).error
    assert isinstance(error, UnreadableAnswerError)
    assert "HTTP 500" in str(error)
    assert "check the URL" in str(error)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (ConnectionRefusedError(111, "x"), "nothing listens there (connection refused)"),
        (
            OSError("Multiple exceptions: [Errno 111] failed ('::1'), [Errno 111] failed ('::2')"),
            "nothing listens there (connection refused)",
        ),
        (OSError("Multiple exceptions: [Errno 111] a, [Errno 113] b"), "Multiple exceptions"),
        (socket.gaierror(-2, "Name or service not known"), "no host of that name is known"),
        (TimeoutError(), "nobody answers there"),
        (OSError(113, "x"), "No route to host"),
        (ExceptionGroup("all", [ConnectionRefusedError(111, "x")]), "nothing listens there"),
        (ValueError("odd"), "odd"),
    ],
)
def test_why_there_is_no_connection_is_told_in_plain_words(cause: Exception, reason: str) -> None:
    refusal = unreachable("http://takt", cause)
    assert refusal.again
    assert str(refusal.error).startswith(f"no answer from http://takt: {reason}")
    assert isinstance(refusal.error, UnreachableError)
    assert refusal.error.reason.startswith(reason)


def test_the_cause_of_a_failed_connection_is_looked_for_below_what_the_library_says() -> None:
    said = RuntimeError("All connection attempts failed")
    said.__cause__ = ConnectionRefusedError(111, "x")
    assert "nothing listens there" in str(unreachable("http://takt", said).error)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_without_its_server_is_a_server_that_is_away(status: int) -> None:
    refusal = refusal_of(status, b"<html>Bad gateway</html>")
    assert refusal.again
    assert isinstance(refusal.error, UnreachableError)
    assert refusal.error.reason == f"a proxy on the way has no answer from it ({status})"


def test_a_deadline_that_the_server_itself_tells_is_not_tried_again() -> None:
    problem = {"code": "deadline_exceeded", "title": "Deadline exceeded", "detail": "too late"}
    assert not refusal_of(504, json.dumps(problem).encode()).again
