"""Answers of a hostile receiver of webhooks, which takes each message in the end."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.hostile.features.delivering import Parts, look_at, serving, told_of
from tests.hostile.features.outcome import Outcome

_OK = b"HTTP/1.1 204 No Content\r\n\r\n"
_MOST_IN_A_ROW = 5
"""Attacks for one message: after eight refusals it is dropped, as the documents say."""

_WITHIN_S = 60.0
_PER_ATTACK_S = 1.0
_ENDLESS_BYTES = 4 * 1024 * 1024
_STATUSES = (
    *(100, 101, 200, 201, 206, 300, 301, 302, 304, 307, 400, 401, 404, 408, 413, 422, 425, 429),
    *(500, 503, 599, 600, 999),
)
"""All that there are but 410: who says that wants nothing any more."""

_RETRIES = (
    *(
        b"-1",
        b"0",
        b"1e9",
        b"nan",
        b"inf",
        b"9" * 6000,
        b"\xb2",
        b" ",
        b"1 2 3 4 5",
        b",,,",
        b"a:b:c",
    ),
    b"Wed, 21 Oct 2015 07:28:00 GMT",
    b"Wed, 21 Oct 9999 07:28:00 GMT",
    b"Mon, 32 Foo 0000 99:99:99 +9999",
)
_NO_ANSWERS = (
    b"",
    b"\r\n\r\n",
    b"HTTP/2 200\r\n\r\n",
    b"HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 abc d\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 2",
    b"\x16\x03\x01\x02\x00",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 2000,
)

_FILE = """
[[webhook]]
name = "hostile"
url = "http://127.0.0.1:{port}/taken?secret=1"
secrets = ["whsec_{secret}"]
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered to a post.

    Attributes:
        name: of its kind.
        pieces: what is sent, one after another.
        closes: whether the receiver ends the connection then.
        takes: whether it says that it has taken the message.
    """

    name: str
    pieces: Sequence[bytes]
    closes: bool = True
    takes: bool = False


@dataclass(slots=True)
class Receiver:
    """Gives its answers to a message, some to each, and takes it then."""

    answers: list[Answer]
    draw: random.Random
    outcome: Outcome
    taken: set[str] = field(default_factory=set)
    said: asyncio.Event = field(default_factory=asyncio.Event)
    _ids: set[str] = field(default_factory=set)
    _last: str = ""
    _left: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._post(reader, writer):
                    pass
        finally:
            writer.transport.abort()

    async def _post(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a post; whether another one may follow."""
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        number, part = body["id"], body["part"]
        if number in self._ids:
            self.outcome.wrong.append(f"{number} came again, after it was taken")
        if number != self._last:
            self._last, self._left = number, self.draw.randrange(_MOST_IN_A_ROW + 1)
        if not self.answers:
            self.said.set()
        elif self._left:
            self._left -= 1
            one = self.answers.pop()
            if one.takes:
                self._take(number, part)
            await self._answer(one, writer)
            return not one.closes
        self._take(number, part)
        writer.write(_OK)
        return True

    def _take(self, number: str, part: str) -> None:
        self._ids.add(number)
        self.taken.add(part)

    async def _answer(self, one: Answer, writer: asyncio.StreamWriter) -> None:
        self.outcome.note(one.name)
        for piece in one.pieces:
            writer.write(piece)
            await writer.drain()


def send(count: int, seed: int, folder: Path) -> Outcome:
    """Answer a server that posts so many times."""
    outcome = Outcome()
    draw = random.Random(seed)
    answers = [draw.choice(_KINDS)(draw) for _ in range(count)]
    asyncio.run(_attack(answers, draw, folder, outcome))
    return outcome


async def _attack(
    answers: list[Answer], draw: random.Random, folder: Path, outcome: Outcome
) -> None:
    receiver = Receiver(answers, draw, outcome)
    within_s = _PER_ATTACK_S * len(answers) + _WITHIN_S
    listening = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    file = folder / "webhooks.toml"
    file.write_text(_FILE.format(port=listening.sockets[0].getsockname()[1], secret="A" * 32))
    with contextlib.ExitStack() as stack:
        options = ("--webhooks-file", str(file), "--webhooks-private-hosts", "127.0.0.1")
        server = await asyncio.to_thread(stack.enter_context, serving(folder, *options))
        parts = Parts(server, outcome)
        with contextlib.suppress(TimeoutError):
            async with parts.inspected(), asyncio.timeout(within_s):
                await receiver.said.wait()
            async with asyncio.timeout(_WITHIN_S):
                while not receiver.taken.issuperset(parts.answered):
                    await asyncio.sleep(0.02)
        if answers:
            outcome.wrong.append(f"{len(answers)} answers were never asked for")
        told_of(parts, receiver.taken, outcome)
        look_at(server, outcome)
        await asyncio.to_thread(stack.close)
    listening.close()


def _head(status: int | str, *lines: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    first = version + f" {status} Said\r\n".encode("latin-1")
    return first + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def _status(draw: random.Random) -> Answer:
    status = draw.choice(_STATUSES)
    body = draw.randbytes(draw.choice((0, 10, 3000)))
    head = _head(status, b"Content-Length: %d" % len(body))
    if status < 200:
        return Answer("informed", [head])
    takes = 200 <= status < 300
    return Answer(f"{status // 100}xx", [head + body], draw.random() < 0.5, takes)


def _redirect(draw: random.Random) -> Answer:
    to = draw.choice((b"http://127.0.0.1:1/", b"/again", b"file:///etc/passwd", b"\xff", b""))
    head = _head(draw.choice((301, 302, 303, 307, 308)), b"Location: " + to, b"Content-Length: 0")
    return Answer("redirect", [head], closes=False)


def _retry(draw: random.Random) -> Answer:
    said = draw.choice(_RETRIES)
    status = draw.choice((408, 425, 429, 500, 503))
    head = _head(status, b"Retry-After: " + said, b"Content-Length: 0")
    return Answer("retry-after", [head], closes=draw.random() < 0.3)


def _length(draw: random.Random) -> Answer:
    """A length that the body does not have; the message is taken by the head all the same."""
    said = draw.choice((b"5", b"70000", b"-1", b"abc", b"", b"9" * 5000, b"1\r\nContent-Length: 2"))
    # What is left over would be the beginning of the next answer, which then is none.
    closes = said not in (b"5", b"70000") or draw.random() < 0.5
    status = draw.choice((200, 204, 404, 500))
    head = _head(status, b"Content-Length: " + said)
    return Answer("length", [head + b"abc"], closes, status < 300)


def _endless(draw: random.Random) -> Answer:
    status = draw.choice((200, 500))
    some = b"x" * 65536
    lines = draw.choice(((), (b"Transfer-Encoding: chunked",), (b"Content-Length: 99999999999",)))
    pieces = [_head(status, *lines), *(some for _ in range(_ENDLESS_BYTES // len(some)))]
    return Answer("endless", pieces, takes=status < 300)


def _encoded(draw: random.Random) -> Answer:
    """Compressed bodies and chunks, right and wrong."""
    body = draw.choice((gzip.compress(bytes(10_000_000)), b"\x1f\x8b" + draw.randbytes(50)))
    status = draw.choice((200, 503))
    if draw.random() < 0.5:
        head = _head(status, b"Content-Encoding: gzip", b"Content-Length: %d" % len(body))
    else:
        head = _head(status, b"Transfer-Encoding: chunked")
        size = draw.choice((b"%x" % len(body), b"-1", b"zz", b"ffffffffffffffff"))
        body = size + b"\r\n" + body
    return Answer("encoded", [head + body], takes=status < 300)


def _headers(draw: random.Random) -> Answer:
    """Headers that are many, long, or none."""
    line = draw.choice((b"A: " + b"b" * 20_000, b"no colon", b": empty", b"\x00\xff: \x00", b""))
    lines = [line] * draw.choice((1, 50))
    return Answer("headers", [_head(500, *lines)])


def _no_http(draw: random.Random) -> Answer:
    """What is no answer, or half of one."""
    first = draw.choice((*_NO_ANSWERS, _head("9" * 5000), draw.randbytes(400), b"x" * 100_000))
    return Answer("no http", [first])


def _slow(draw: random.Random) -> Answer:
    """An answer in single bytes, or one that stops and keeps the connection."""
    head = _head(500, b"Content-Length: 2") + b"ab"
    if draw.random() < 0.1:
        return Answer("silent", [head[: draw.randrange(len(head) - 3)]], closes=False)
    return Answer("slow", [bytes([one]) for one in head])


_KINDS: Sequence[Callable[[random.Random], Answer]] = (
    _status,
    _status,
    _redirect,
    _retry,
    _retry,
    _length,
    _endless,
    _encoded,
    _headers,
    _no_http,
    _no_http,
    _slow,
)
