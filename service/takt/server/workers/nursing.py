"""The nursery, as the supervisor sees it, and what is ordered of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from takt.settings import Settings

_LOADED_WITHIN_S = 120.0

MOST_BYTES = 1024 * 1024
_DESCRIPTORS = 3
"""That come with an order: the messages' end, the connections' end, and the counts' memory."""

logger = logging.getLogger("takt.workers")


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """A worker that is to be.

    Attributes:
        number: of the worker, and of its row of counts.
        rows: of the counts.
        cores: that it may use; empty for any.
        rpc: addresses of gRPC's port, where each worker listens by itself.
        settings: of the server, as JSON.
    """

    number: int
    rows: int
    cores: tuple[int, ...]
    rpc: tuple[str, ...]
    settings: str


def take_order(control: socket.socket) -> tuple[WorkerOrder, list[int]] | None:
    """The next order and its descriptors; None if no more will come."""
    try:
        said, descriptors, _, _ = socket.recv_fds(control, MOST_BYTES, _DESCRIPTORS)
    except ConnectionResetError:
        # The supervisor is gone, and had not taken all that was said.
        return None
    return (WorkerOrder(**json.loads(said)), list(descriptors)) if said else None


class NurseryError(Exception):
    """A nursery has ended before it could start workers; it has written why."""


class Nursery:
    """A process that forks workers, and what it says of them.

    Attributes:
        settings_json: the settings that its workers get.
        ended: called if it ends before it is told to.
        forked: hears the number of each worker that it has forked, and its process.
    """

    def __init__(
        self, settings: Settings, process: asyncio.subprocess.Process, control: socket.socket
    ) -> None:
        self.settings_json = settings.model_dump_json()
        self._process = process
        self._control = control
        self.ended: Callable[[], None] = lambda: None
        self.forked: Callable[[int, int], None] = lambda number, pid: None

    @classmethod
    async def open(cls, settings: Settings) -> Nursery:
        """Start one; returns once it has loaded what workers need.

        Raises:
            NurseryError: it has ended, or takes too long.
        """
        control, its_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.setblocking(False)
        with its_control:
            process = await asyncio.create_subprocess_exec(
                # -P, as the working folder may have a `takt` of its own.
                *(sys.executable, "-P", "-m", "takt.server.workers.nursery"),
                str(its_control.fileno()),
                pass_fds=[its_control.fileno()],
                # Ctrl-C at a terminal is the supervisor's alone. Not by a session of its own: Linux
                # gives each its share of the processor, and new workers waited for theirs.
                process_group=0,
            )
        nursery = cls(settings, process, control)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_LOADED_WITHIN_S):
                said = await loop.sock_recv(control, MOST_BYTES)
        except TimeoutError:
            said = b""
        if not said:
            await nursery.close()
            raise NurseryError("the process that workers are forked from could not load them")
        loop.add_reader(control, nursery._hear)
        return nursery

    def order(self, order: WorkerOrder, descriptors: list[int]) -> None:
        """Have it fork a worker; the descriptors stay open here. If it has ended, nobody hears."""
        with contextlib.suppress(OSError):
            socket.send_fds(self._control, [json.dumps(asdict(order)).encode()], descriptors)

    async def close(self) -> None:
        """Order no more; it ends once its workers have."""
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        await self._process.wait()

    def _hear(self) -> None:
        try:
            said = self._control.recv(MOST_BYTES)
        except BlockingIOError:
            return
        if not said:
            asyncio.get_running_loop().remove_reader(self._control)
            logger.error("the process that workers are forked from has ended")
            self.ended()
            return
        facts = json.loads(said)
        if "number" in facts:
            self.forked(facts["number"], facts["pid"])
        if facts.get("status"):
            logger.error("process %d has ended with status %d", facts["ended"], facts["status"])
