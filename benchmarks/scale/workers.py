"""The workers of a server, as Linux shows them: which there are, and which has a connection."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
from collections import defaultdict, deque
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.peers.processes import PROC

_ESTABLISHED = "01"


def workers_of(supervisor: int) -> set[int]:
    """Process ids of the workers, which a process that the supervisor has started forks."""
    children: defaultdict[int, set[int]] = defaultdict(set)
    for entry in PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            # The name before the last bracket may hold anything.
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                children[int(parent)].add(int(entry.name))
    return {worker for between in children[supervisor] for worker in children[between]}


def connections_of(worker: int, port: int) -> int:
    """Connections to a port that a worker has: the most requests that can be under way on it."""
    return len(_sockets(worker) & set(_established(port).values()))


class Probe:
    """Asks by new connections which worker answers.

    The last ones stay open: a new connection goes to the worker that has the fewest, which would be
    the same one again and again.

    Args:
        url: of the server.
        keep: connections that stay open.
    """

    def __init__(self, url: str, keep: int) -> None:
        at = urlsplit(url)
        assert at.hostname and at.port
        self._host, self._port, self._keep = at.hostname, at.port, keep
        self._open: deque[http.client.HTTPConnection] = deque()

    def ask(self, workers: set[int]) -> int | None:
        """The worker that answers now; None if it does not say that it is ready.

        Raises:
            ConnectionRefusedError: nobody takes connections.
        """
        connection = http.client.HTTPConnection(self._host, self._port, timeout=5)
        self._open.append(connection)
        if len(self._open) > self._keep:
            self._open.popleft().close()
        try:
            connection.connect()
            own_port = connection.sock.getsockname()[1]
            connection.request("GET", "/health/ready")
            answer = connection.getresponse()
            answer.read()
        except ConnectionRefusedError:
            raise
        except (OSError, http.client.HTTPException):
            return None
        inode = _established(self._port).get(own_port)
        if answer.status != 200 or inode is None:
            return None
        return next((one for one in workers if inode in _sockets(one)), None)

    def close(self) -> None:
        """Close what is open."""
        for connection in self._open:
            connection.close()


def _established(port: int) -> dict[int, str]:
    """Inodes of the server's ends of connections to a port, by the client's port."""
    found = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_, inode = line.split()[:10]
        if state == _ESTABLISHED and int(local.partition(":")[2], 16) == port:
            found[int(remote.partition(":")[2], 16)] = inode
    return found


def _sockets(process: int) -> set[str]:
    inodes = set()
    with contextlib.suppress(OSError):
        for entry in (PROC / str(process) / "fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.update(re.findall(r"socket:\[(\d+)\]", os.readlink(entry)))
    return inodes
