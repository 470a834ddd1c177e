"""Requests that only one worker can answer: whoever gets one passes its connection's bytes on.

What only one worker may do, such as learning, its leader answers; who watches a stream is shown it
by the worker that has the stream. From such a request on the connection is a pipe, until its answer
has ended or, for a WebSocket, until either side closes.

The status is the leader's, which has watched since the start. While it stands still, whoever is
asked tells what it knows itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from functools import partial
from typing import cast

from takt.core.errors import NotReadyError
from takt.server.connections.refusals import refusal
from takt.server.connections.state import AskedBy, Owner
from takt.server.workers.peers import WorkerPeers
from takt.server.workers.ways.handing import Handed, hand
from takt.streaming.sessions import worker_of

_STATUS = b"/v1/status"
_ASKS_STATUS = b"GET /v1/status"
_LEADERS = (b"/v1/learning", b"/v1/review/teachable")
_STREAMS = b"/v1/streams/"
_NOBODY = NotReadyError(
    "the worker that answers this is being started, or stands still and is replaced within "
    "seconds; ask again in a second"
)


Answer = Callable[[asyncio.Transport, AskedBy, bytes], None]
"""Answers a request here: on its client's transport, for whom it is, as far as it came."""


class RequestRelays:
    """The requests that a worker passes on; used on its event loop.

    Args:
        way: the connections' way to the supervisor.
        peers: tells who this worker is.
        answer: answers here after all what the leader was to answer.
    """

    def __init__(self, way: socket.socket, peers: WorkerPeers, answer: Answer) -> None:
        self._way = way
        self._peers = peers
        self._answer = answer
        self._leader_is_still = False
        self._ends: set[_End] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many ends of pipes are open."""
        return len(self._ends)

    def owner(self, url: bytes) -> Owner | None:
        """Which worker a request is for; None if this one answers it."""
        if url.startswith(_STREAMS):
            worker = worker_of(url[len(_STREAMS) :].decode("ascii", "replace"))
            ours = worker is None or worker == self._peers.worker
            return None if ours else Owner(worker)
        if self._peers.leading.is_set():
            return None
        is_status = url.partition(b"?")[0] == _STATUS and not self._leader_is_still
        return Owner(None) if is_status or url.startswith(_LEADERS) else None

    def begin(
        self, client: asyncio.Transport, asked_by: AskedBy, owner: Owner, sent: bytes
    ) -> None:
        """Pass on what a client has sent and will send; its connection is a pipe from now on.

        Args:
            client: its transport.
            asked_by: who it is.
            owner: whom the request is for.
            sent: the request, as far as it came.
        """
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        handed = Handed("relayed", owner.worker, *asked_by)
        # Where the supervisor is gone, the pipe ends at once, which the client is told.
        with theirs, contextlib.suppress(OSError):
            hand(self._way, handed, theirs)
        near, far = _End(self._ends), _End(self._ends)
        near.other, far.other = far, near
        near.owner = owner
        if owner == Owner(None) and sent.startswith(_ASKS_STATUS):
            near.answer_here = partial(self._answer, client, asked_by, sent)
        near.connection_made(client)
        client.set_protocol(near)
        client.pause_reading()
        task = asyncio.create_task(self._connect(far, ours, sent))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def note_still(self, worker: int, *, leads: bool, still: bool) -> None:
        """Wait no more for a worker that stands still; what it has begun to answer goes on.

        Args:
            worker: its number.
            leads: whether it is the one that leads.
            still: whether it stands still now, or goes on or is gone.
        """
        if leads:
            self._leader_is_still = still
        if not still:
            return
        owners = [Owner(worker), *([Owner(None)] if leads else [])]
        for end in list(self._ends):
            if end.owner in owners:
                end.give_up()

    def close(self) -> None:
        """Close every pipe."""
        for end in list(self._ends):
            end.close()

    async def _connect(self, far: _End, ours: socket.socket, sent: bytes) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: far, ours)
        if far.other.has_left:
            far.abort()
            return
        far.write(sent)
        far.other.resume_reading()


class _End(asyncio.Protocol):
    """One end of a pipe: what comes here is written at the other end, at the other's pace."""

    other: _End

    def __init__(self, ends: set[_End]) -> None:
        self._ends = ends
        self._transport: asyncio.Transport | None = None
        self._answered = False
        # Of the end at which the client is: whom the request is for, and how it is answered here.
        self.owner: Owner | None = None
        self.answer_here: Callable[[], None] | None = None
        self.has_left = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ends.add(self)

    def data_received(self, data: bytes) -> None:
        self.other.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ends.discard(self)
        self.other.close()

    def pause_writing(self) -> None:
        self.other.pause_reading()

    def resume_writing(self) -> None:
        self.other.resume_reading()

    def write(self, data: bytes) -> None:
        """Send to whoever is at this end."""
        self._answered = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def give_up(self) -> None:
        """Close it where nothing was answered yet."""
        if not self._answered:
            self.close()

    def abort(self) -> None:
        """Close it at once."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close it, once what was written is sent; a client that was told nothing is told why."""
        if self._transport is None or self._transport.is_closing():
            return
        if not self._answered and self.answer_here is not None:
            self._leave(self.answer_here)
            return
        if not self._answered:
            self._transport.write(refusal(_NOBODY))
        self._transport.close()

    def _leave(self, answer_here: Callable[[], None]) -> None:
        """Let another protocol go on with the client."""
        self.has_left, self._transport = True, None
        self._ends.discard(self)
        self.other.abort()
        answer_here()
