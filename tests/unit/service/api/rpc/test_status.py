from __future__ import annotations

import pytest

pytest.importorskip("grpc_health", reason="gRPC is an extra")

import grpc

from takt.api.rpc.call import address_of
from takt.api.rpc.status import detail_of, metadata_of, status_of
from takt.core.errors import QueueFullError, RequestError, TaktError, UploadTooSlowError
from takt.core.problem import Problem


def kinds(kind: type[TaktError] = TaktError) -> list[type[TaktError]]:
    return [kind, *(found for below in kind.__subclasses__() for found in kinds(below))]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_whose_fault_an_error_is_stays_the_same(kind: type[TaktError]) -> None:
    code = status_of(Problem.of(kind("it went wrong")))
    ours = code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)
    if issubclass(kind, RequestError):
        assert not ours
    elif kind.status == 500:
        assert code == grpc.StatusCode.INTERNAL
    else:
        assert code != grpc.StatusCode.INTERNAL


def test_what_http_says_in_headers_is_metadata() -> None:
    told = metadata_of(Problem.of(QueueFullError("full", retry_after_s=3)))
    assert told == [("takt-code", "queue_full"), ("retry-after", "3")]
    assert metadata_of(Problem.of(UploadTooSlowError("slow"))) == [("takt-code", "upload_too_slow")]


def test_a_text_that_repeats_what_came_is_cut() -> None:
    assert detail_of(Problem.of(RequestError("short"))) == "short"
    assert len(detail_of(Problem.of(RequestError("n" * 100_000)))) == 1024


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.7:51234", ("10.0.0.7", 51234)),
        ("ipv6:[2001:db8::7]:80", ("2001:db8::7", 80)),
        ("ipv6:%5B::1%5D:80", ("::1", 80)),
        ("unix:/tmp/socket", None),
        ("", None),
    ],
)
def test_who_calls_is_read_of_what_grpc_says(peer: str, address: object) -> None:
    assert address_of(peer) == address
