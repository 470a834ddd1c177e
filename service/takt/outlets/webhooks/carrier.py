"""Posts what the spool has, one message after another, and says what an answer means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from takt.outlets.forwarding import GoneError, MessageFeed
from takt.outlets.plugin import AwayError
from takt.outlets.spool import Stored
from takt.outlets.webhooks.posting import Answer, Poster
from takt.outlets.webhooks.signing import signed_headers

MOST_REFUSALS = 8
"""Attempts after which a message that the receiver refuses is dropped: a minute, or a few."""

_GONE: Final = 410
_COMES_BACK: Final = frozenset({408, 425, 429})
"""Refusals that lie in the moment, not in the message."""


@dataclass(slots=True)
class WebhookCarrier:
    """Carries messages to a URL.

    Args:
        url: for people.
        poster: posts to it.
        keys: gives those that sign.
        clock: gives Unix time in seconds.
    """

    url: str
    poster: Poster
    keys: Callable[[], tuple[bytes, ...]]
    clock: Callable[[], float]
    _refused_id: str = ""
    _refusals: int = 0

    async def carry(self, feed: MessageFeed) -> None:
        """Post until the feed ends; see `Carrier`."""
        feed.assume_up()
        try:
            while some := await feed.next():
                for one in some:
                    await self._deliver(one, feed)
        finally:
            self.poster.close()

    async def _deliver(self, one: Stored, feed: MessageFeed) -> None:
        body = one.payload
        headers = signed_headers(one.id, int(self.clock()), body, self.keys())
        answer = await self.poster.post(body, headers)
        if 200 <= answer.status < 300:
            feed.reached()
            feed.delivered(one.seq)
            return
        why = f"{self.url} answers {answer.status}"
        if answer.status == _GONE:
            raise GoneError(f"{why}: it wants no messages any more; take it out of webhooks_file")
        if 300 <= answer.status < 400:
            raise AwayError(f"{why}: it sends elsewhere, which is not followed; mend its URL")
        if 400 <= answer.status < 500 and answer.status not in _COMES_BACK:
            self._refusals = self._refusals + 1 if one.id == self._refused_id else 1
            self._refused_id = one.id
            if self._refusals >= MOST_REFUSALS:
                feed.refused(one, f"{why}, for the {self._refusals}th time")
                return
        raise AwayError(why, again_s=_again_s(answer, self.clock()))


def _again_s(answer: Answer, now_s: float) -> float:
    """Seconds for which the receiver asks to be left alone, as it says by a number or a date."""
    said = answer.headers.get("retry-after", "")
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - now_s)
    except (ValueError, OverflowError):
        return 0.0
