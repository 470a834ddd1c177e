"""What a receiver's answers mean: delivered, again later, dropped, or nothing any more."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from takt.outlets.forwarding import GoneError, MessageFeed
from takt.outlets.metrics import OutletMetrics
from takt.outlets.places import SpoolPlace
from takt.outlets.plugin import AwayError
from takt.outlets.webhooks.carrier import MOST_REFUSALS, WebhookCarrier
from takt.outlets.webhooks.posting import Answer


class Line:
    """A feed with messages, and a receiver that gives some answers, the last for all others."""

    def __init__(self, folder: Path, messages: int, *answers: int | Answer) -> None:
        self.place = SpoolPlace(folder, 100)
        self.registry = CollectorRegistry()
        counts = OutletMetrics(self.registry).watch_spool("x", lambda: 0)
        self.feed = MessageFeed(self.place, counts, "x")
        self.answers = [Answer(one, {}) if isinstance(one, int) else one for one in answers]
        self.posted: list[tuple[bytes, Mapping[str, str]]] = []
        for part in range(messages):
            self.place.spool.put("", b'{"part":%d}' % part)
        self.place.spool.commit(late=False)
        self.now_s = 100.0
        self.carrier = WebhookCarrier("mes/takt", self, lambda: (b"k" * 32,), lambda: self.now_s)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.posted.append((body, headers))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def close(self) -> None:
        """Nothing to close."""

    async def attempt(self) -> str | None:
        """Carry once; gives why the receiver is away."""
        self.feed.ending.set()
        try:
            await self.carrier.carry(self.feed)
        except AwayError as error:
            self.feed.away(str(error))
            return str(error)
        return None

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"].rpartition("-")[2] for _, headers in self.posted]

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"outlet": "x", **labels})


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_a_success_is_a_delivery(tmp_path: Path, status: int) -> None:
    line = Line(tmp_path, 3, status)
    assert await line.attempt() is None
    assert (line.ids, line.place.spool.waiting) == (["1", "2", "3"], 0)
    assert line.value("takt_outlet_delivered_total") == 3
    line.place.close()


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408, 400, 404, 301, 307])
async def test_anything_else_is_tried_again_with_the_same_id_and_a_new_time(
    tmp_path: Path, status: int
) -> None:
    line = Line(tmp_path, 2, status, 204)
    assert f"mes/takt answers {status}" in str(await line.attempt())
    line.now_s = 105.5
    assert await line.attempt() is None
    assert line.ids == ["1", "1", "2"]
    times = [headers["webhook-timestamp"] for _, headers in line.posted]
    assert times == ["100", "105", "105"]
    # What is posted again says that it is late.
    assert b'"late":true' in line.posted[1][0]
    line.place.close()


async def test_a_redirect_is_not_followed_and_says_so(tmp_path: Path) -> None:
    line = Line(tmp_path, 1, Answer(302, {"location": "http://169.254.169.254/"}))
    assert "which is not followed" in str(await line.attempt())
    assert len(line.posted) == 1
    line.place.close()


async def test_a_message_that_is_refused_again_and_again_holds_up_no_other(
    tmp_path: Path,
) -> None:
    line = Line(tmp_path, 2, *[400] * MOST_REFUSALS, 204)
    for _ in range(MOST_REFUSALS - 1):
        assert await line.attempt() is not None
    assert await line.attempt() is None
    assert line.ids == ["1"] * MOST_REFUSALS + ["2"]
    assert line.value("takt_outlet_dropped_total", reason="refused") == 1
    line.place.close()


async def test_a_receiver_that_fails_itself_is_tried_for_as_long_as_it_takes(
    tmp_path: Path,
) -> None:
    line = Line(tmp_path, 1, *[503] * 50, 204)
    for _ in range(50):
        assert await line.attempt() is not None
    assert await line.attempt() is None
    assert line.value("takt_outlet_dropped_total", reason="refused") == 0
    line.place.close()


async def test_gone_ends_it(tmp_path: Path) -> None:
    line = Line(tmp_path, 2, 410)
    with pytest.raises(GoneError, match="take it out of webhooks_file"):
        await line.attempt()
    assert len(line.posted) == 1
    line.place.close()


@pytest.mark.parametrize(
    ("said", "again_s"),
    [
        ("7", 7),
        ("soon", 0),
        ("99999", 99_999),
        ("9" * 400, math.inf),
        ("", 0),
        ("Thu, 01 Jan 1970 00:01:47 GMT", 7),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 1_767_225_500),
        ("Thu, 99 Jan 2026 00:00:00 GMT", 0),
    ],
)
async def test_a_receiver_may_ask_for_time(tmp_path: Path, said: str, again_s: float) -> None:
    line = Line(tmp_path, 1, Answer(503, {"retry-after": said}))
    line.feed.ending.set()
    with pytest.raises(AwayError) as away:
        await line.carrier.carry(line.feed)
    assert away.value.again_s == again_s
    line.place.close()


async def test_it_counts_as_there_until_something_speaks_against_it(tmp_path: Path) -> None:
    line = Line(tmp_path, 0, 204)
    carrying = asyncio.create_task(line.carrier.carry(line.feed))
    await asyncio.sleep(0)
    assert line.value("takt_outlet_up") == 1
    line.feed.ending.set()
    line.feed.wake()
    await carrying
    line.place.close()
