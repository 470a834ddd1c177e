"""Ports where servers of a test listen, one after another or one after a while."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_port() -> Iterator[int]:
    """A port of loopback that nobody is given by chance, until the block ends.

    Whoever knows it listens there, where it allows for others who do not (SO_REUSEADDR), as
    servers do.
    """
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]
