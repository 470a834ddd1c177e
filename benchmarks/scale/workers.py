"""The workers of a server, as Linux shows them: which there are, and which has a connection."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
from collections import defaultdict
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


def answering(url: str, workers: set[int]) -> int | None:
    """The worker that answers a connection made now; None if it does not say that it is ready.

    Raises:
        ConnectionRefusedError: nobody takes connections.
    """
    at = urlsplit(url)
    assert at.hostname and at.port
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.connect()
            own_port = connection.sock.getsockname()[1]
            connection.request("GET", "/health/ready")
            if connection.getresponse().status != 200:
                return None
            inode = _established(at.port).get(own_port)
            return next((one for one in workers if inode in _sockets(one)), None)
        except ConnectionRefusedError:
            raise
        except (OSError, http.client.HTTPException):
            return None


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
