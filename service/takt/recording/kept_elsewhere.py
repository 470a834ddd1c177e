"""Bytes of pictures that other workers of a server keep."""

from __future__ import annotations

import asyncio
import secrets
import threading
from concurrent.futures import CancelledError

from takt.peers import Message, Peers, Reply

_KEPT_BYTES = "kept_bytes"
_HEARD_WITHIN_S = 10.0


class KeptElsewhere:
    """Bytes of new pictures that other workers of a server keep in the same folder.

    The worker that leads asks for them and sweeps. Whatever it cannot hear is on the disk.

    Args:
        peers: the other workers.
    """

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        # The next one with this worker's number is another.
        self._name = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._added = 0
        self._left_by_others = 0
        self._heard: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        peers.answer(_KEPT_BYTES, self._answer)

    @property
    def sweeps_here(self) -> bool:
        """Whether this worker is the one that sweeps; any thread may ask."""
        return self._peers.leading.is_set()

    def begin(self) -> None:
        """Hear the others; on the event loop."""
        if self._peers.workers > 1:
            self._loop = asyncio.get_running_loop()

    def added(self, size: int) -> None:
        """Count the bytes of a new file of this worker."""
        with self._lock:
            self._added += size

    def collect(self) -> int | None:
        """What the others have kept since the last call; None where one of them was not heard.

        Blocks until they have answered; not on the event loop.
        """
        replies = self._ask({})
        heard = [reply.body for reply in replies if reply.failure is None]
        now = {body["name"] for body in heard}
        with self._lock:
            left, self._left_by_others = self._left_by_others, 0
            gone, self._heard = self._heard - now, now
        if gone or len(now) < self._peers.workers - 1:
            return None
        return left + sum(int(body["bytes"]) for body in heard)

    def end(self) -> None:
        """Tell what is not collected yet; blocks, not on the event loop."""
        with self._lock:
            added, self._added = self._added, 0
        self._ask({"leaves": self._name, "bytes": added})

    def _ask(self, body: Message) -> list[Reply]:
        if self._loop is None:
            return []
        asked = self._peers.ask(_KEPT_BYTES, body, _HEARD_WITHIN_S / 2)
        try:
            replies = asyncio.run_coroutine_threadsafe(asked, self._loop)
        except RuntimeError:  # it is closed
            asked.close()
            return []
        try:
            return replies.result(_HEARD_WITHIN_S)
        except (TimeoutError, CancelledError):
            return []

    async def _answer(self, body: Message) -> Message:
        with self._lock:
            if "leaves" in body:
                self._left_by_others += body["bytes"]
                self._heard.discard(body["leaves"])
                return {}
            added, self._added = self._added, 0
            return {"name": self._name, "bytes": added}
