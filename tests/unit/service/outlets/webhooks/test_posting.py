"""A post by HTTP: bounded in time and size, to the address that was checked."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest
import trustme

from takt.outlets.plugin import AwayError
from takt.outlets.webhooks import posting
from takt.outlets.webhooks.posting import Poster, Target
from tests.unit.service.outlets.webhooks.receivers import OK, Receiver, answer

HOST = "mes.example"


class Names:
    """Resolves every name to the next of some addresses, the last for all others."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return [self._addresses.pop(0) if len(self._addresses) > 1 else self._addresses[0]]


def poster(receiver: Receiver, names: Names | None = None, *, allowed: bool = True) -> Poster:
    target = Target(False, HOST, receiver.port, "/takt?room=3")
    return Poster(target, {HOST} if allowed else set(), names or Names("127.0.0.1"))


async def test_what_is_posted_comes_with_its_headers_and_the_status_comes_back() -> None:
    async with Receiver([answer(202, "Retry-After: 7")]).listening() as receiver:
        one = poster(receiver)
        found = await one.post(b'{"part":1}', {"webhook-id": "a-1"})
        one.close()
    assert (found.status, found.headers["retry-after"]) == (202, "7")
    (posted,) = receiver.posted
    assert posted.request == "POST /takt?room=3 HTTP/1.1"
    assert posted.body == b'{"part":1}'
    assert posted.headers["host"] == f"{HOST}:{receiver.port}"
    assert posted.headers["webhook-id"] == "a-1"
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["user-agent"].startswith("takt/")


async def test_a_connection_is_kept_for_the_next_message() -> None:
    async with Receiver([OK, answer(200, body=b"thanks"), OK]).listening() as receiver:
        one = poster(receiver)
        for _ in range(3):
            await one.post(b"{}", {})
        one.close()
    assert (receiver.connections, len(receiver.posted)) == (1, 3)


@pytest.mark.parametrize(
    "said",
    [
        answer(200, "Connection: close"),
        answer(200, body=b"x" * (posting.MOST_BODY_BYTES + 1)),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    ],
)
async def test_a_body_that_nobody_wants_to_read_ends_the_connection_alone(said: bytes) -> None:
    async with Receiver([said]).listening() as receiver:
        one = poster(receiver)
        assert [(await one.post(b"{}", {})).status for _ in range(2)] == [200, 200]
        one.close()
    assert receiver.connections == 2


@pytest.mark.parametrize("length", [b"5", b"9" * 5000])
async def test_a_body_that_does_not_come_does_not_undo_the_answer(
    monkeypatch: pytest.MonkeyPatch, length: bytes
) -> None:
    """Else the message would be posted again and again, and hold up all others."""
    monkeypatch.setattr(posting, "BODY_WITHIN_S", 0.05)
    said = b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\nxyz"
    async with Receiver([said]).listening() as receiver:
        one = poster(receiver)
        assert [(await one.post(b"{}", {})).status for _ in range(2)] == [200, 200]
        one.close()
    assert (receiver.connections, len(receiver.posted)) == (2, 2)


async def test_a_kept_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    async with Receiver([OK, b"", OK]).listening() as receiver:
        one = poster(receiver)
        assert (await one.post(b"1", {})).status == 204
        assert (await one.post(b"2", {})).status == 204
        one.close()
    assert [posted.body for posted in receiver.posted] == [b"1", b"2", b"2"]


async def test_an_informational_answer_is_passed_over() -> None:
    async with Receiver([b"HTTP/1.1 103 Early\r\n\r\n" + OK]).listening() as receiver:
        one = poster(receiver)
        assert (await one.post(b"{}", {})).status == 204
        one.close()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "no answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP/1.1"),
        (b"HTTP/1.1 2\xb2 OK\r\n\r\n", "no HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", "more than 16384 bytes"),
    ],
)
async def test_what_is_no_answer_is_told(said: bytes, why: str) -> None:
    async with Receiver([said]).listening() as receiver:
        with pytest.raises(AwayError, match=why):
            await poster(receiver).post(b"{}", {})


async def test_a_receiver_that_is_too_slow_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "ANSWERED_WITHIN_S", 0.05)
    async with Receiver(before_answer=asyncio.Event().wait).listening() as receiver:
        with pytest.raises(AwayError, match="does not answer within"):
            await poster(receiver).post(b"{}", {})


async def test_one_that_nobody_listens_at_is_told() -> None:
    async with Receiver().listening() as receiver:
        pass
    with pytest.raises(AwayError, match="cannot be reached"):
        await poster(receiver).post(b"{}", {})


async def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect = asyncio.open_connection

    async def hang_at_the_first(address: str, port: int, **how: Any) -> Any:
        if address == "10.0.0.7":
            await asyncio.Event().wait()
        return await connect(address, port, **how)

    async def find(host: str, port: int) -> list[str]:
        return ["10.0.0.7", "127.0.0.1"]

    monkeypatch.setattr(asyncio, "open_connection", hang_at_the_first)
    monkeypatch.setattr(posting, "ANSWERED_WITHIN_S", 0.6)
    async with Receiver().listening() as receiver:
        one = Poster(Target(False, HOST, receiver.port, "/"), {HOST}, find)
        assert (await one.post(b"{}", {})).status == 204
        one.close()


async def test_a_private_address_is_not_connected_to() -> None:
    async with Receiver().listening() as receiver:
        with pytest.raises(AwayError, match="which is private"):
            await poster(receiver, allowed=False).post(b"{}", {})
    assert receiver.connections == 0


async def test_a_name_that_turns_private_after_it_was_checked_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connected: list[str] = []

    async def connect(address: str, port: int, **_: object) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio, "open_connection", connect)
    names = Names("93.184.215.14", "127.0.0.1")
    one = Poster(Target(False, HOST, 80, "/"), set(), names)
    with pytest.raises(AwayError):
        await one.post(b"{}", {})
    assert (connected, names.asked) == (["93.184.215.14"], 1)
    with pytest.raises(AwayError, match="which is private"):
        await one.post(b"{}", {})
    assert connected == ["93.184.215.14"]


async def test_by_tls_the_certificate_has_to_be_of_the_name_not_of_the_address() -> None:
    authority = trustme.CA()
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    for name, reached in ((HOST, True), ("other.example", False)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        async with Receiver().listening(context) as receiver:
            target = Target(True, HOST, receiver.port, "/")
            one = Poster(target, {HOST}, Names("127.0.0.1"), trusted)
            if reached:
                assert (await one.post(b"{}", {})).status == 204
            else:
                with pytest.raises(AwayError, match="certificate"):
                    await one.post(b"{}", {})
            one.close()
