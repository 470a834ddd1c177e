"""Connections that one process hands to another: their sockets, over a pair of sockets."""

from __future__ import annotations

import contextlib
import json
import socket
from dataclasses import asdict, dataclass
from typing import Literal

MOST_BYTES = 4096

Kind = Literal["main", "metrics", "relayed", "taken"]


@dataclass(frozen=True, slots=True)
class Handed:
    """What is said of a connection that is handed on.

    Attributes:
        kind: `main` and `metrics` name the port that it came by, also of one that a worker gives
            back; `relayed` is another worker's end of a pair; `taken` has no connection, and says
            that the oldest one that was handed on has arrived.
        worker: of a relayed one, the worker that it is for; None for the one that leads.
        client: of a relayed one, host and port of whoever asks.
        scheme: of a relayed one.
        answered: whether a worker has answered on it before it gave it back.
    """

    kind: Kind
    worker: int | None = None
    client: tuple[str, int] | None = None
    scheme: Literal["http", "https"] = "http"
    answered: bool = False


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a way for connections; neither end ever waits."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


def hand(over: socket.socket, handed: Handed, connection: socket.socket | None = None) -> bool:
    """Hand a connection on, which stays open here as well; False where there is no room now.

    Raises:
        OSError: the other end is gone.
    """
    said = json.dumps(asdict(handed), separators=(",", ":")).encode()
    descriptors = [] if connection is None else [connection.fileno()]
    try:
        socket.send_fds(over, [said], descriptors)
    except BlockingIOError:
        return False
    return True


def take(over: socket.socket) -> tuple[Handed, socket.socket | None] | None:
    """The next connection that was handed on; None if there is none now.

    Raises:
        EOFError: the other end is gone.
    """
    try:
        said, descriptors, _, _ = socket.recv_fds(over, MOST_BYTES, 1)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        # The other end is gone and had not taken all: told once, ahead of what it said before.
        return take(over)
    if not said:
        raise EOFError
    facts = json.loads(said)
    if facts["client"] is not None:
        facts["client"] = tuple(facts["client"])
    connection = None
    with contextlib.suppress(IndexError):
        connection = socket.socket(fileno=descriptors[0])
        connection.setblocking(False)
    return Handed(**facts), connection
