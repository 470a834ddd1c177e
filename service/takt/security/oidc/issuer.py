"""The keys of an issuer, as they are by now."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from takt.security.oidc.fetching import FetchError, one_line

REFRESH_EVERY_S = 300.0
"""Time between two looks at an issuer's keys; one that it withdraws counts until then."""
RETRY_AFTER_S = 10.0
"""Time after a look that failed."""
ASK_AGAIN_AFTER_S = 5.0
"""Shortest time between two looks, for which a token of an unknown key waits: anyone can make such
tokens."""

logger = logging.getLogger("takt.security")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key of an issuer.

    Attributes:
        key_id: its `kid`; empty for none.
        algorithm: the only one that it is for; None for any that fits.
        public: what `jwt.decode` takes.
        digest: 16 bytes that tell it from others, whatever they are called.
    """

    key_id: str
    algorithm: str | None
    public: Any
    digest: bytes


Fetch = Callable[[], tuple[SigningKey, ...]]


class Issuer:
    """Keeps an issuer's keys: looks for new ones now and then, and when a token names one.

    While the issuer cannot be asked, the keys that it had last stay.

    Args:
        fetch: fetches the keys; called in a thread; raises FetchError.
        changed: called when the keys have changed.
        reloaded: hears of each change, and of the first look that fails after others.
        clock: gives seconds that never go back.
    """

    def __init__(
        self,
        fetch: Fetch,
        changed: Callable[[], None] = lambda: None,
        reloaded: Callable[[bool], None] = lambda taken: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._changed = changed
        self._reloaded = reloaded
        self._clock = clock
        self._keys: tuple[SigningKey, ...] = ()
        self._failure: str | None = None
        self._looking: asyncio.Task[None] | None = None
        self._ask_again_s = float("-inf")

    def key(self, key_id: str) -> SigningKey | None:
        """The key of a name; for no name, the only key."""
        if not key_id:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.key_id == key_id), None)

    def has(self, digest: bytes) -> bool:
        """Whether a key is the issuer's still."""
        return any(key.digest == digest for key in self._keys)

    async def look(self) -> None:
        """Ask the issuer, once that is due; those who come meanwhile wait for the same answer."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        await asyncio.shield(self._looking)

    async def run(self) -> None:
        """Look again and again, until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(RETRY_AFTER_S if self._failure else REFRESH_EVERY_S)

    async def _look(self) -> None:
        try:
            await asyncio.sleep(self._ask_again_s - self._clock())
            keys = await asyncio.to_thread(self._fetch)
        except FetchError as error:
            self._fail(str(error))
        except Exception:
            logger.exception("the issuer's keys could not be looked at")
            self._fail("an error of this server")
        else:
            self._take(keys)
        finally:
            self._ask_again_s = self._clock() + ASK_AGAIN_AFTER_S
            self._looking = None

    def _take(self, keys: tuple[SigningKey, ...]) -> None:
        if self._failure is not None:
            logger.info("the issuer's keys can be had again")
            self._failure = None
        if {key.digest for key in keys} == {key.digest for key in self._keys}:
            return
        self._keys = keys
        names = ", ".join(one_line(key.key_id, 64) or "(no name)" for key in keys)
        logger.info("tokens are checked by the issuer's keys: %s", names)
        self._changed()
        self._reloaded(True)

    def _fail(self, why: str) -> None:
        if self._failure is None:
            kept = "those of before stay" if self._keys else "no token can be checked"
            logger.error("the issuer's keys cannot be had, and %s: %s", kept, why)
            self._reloaded(False)
        self._failure = why
