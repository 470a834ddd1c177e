"""The process's limit of open files, and what it leaves to connections."""

from __future__ import annotations

import errno
import os
import resource
from dataclasses import dataclass

DESCRIPTOR_RESERVE = 128
"""File descriptors that connections leave to the service's own files."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections may be open.

    Attributes:
        in_all: connections.
        per_client: of them, from one client.
    """

    in_all: int
    per_client: int


def descriptor_is_free() -> bool:
    """Whether this process can open one more file."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in (errno.EMFILE, errno.ENFILE)
    return True


def limits_of(most: int, most_per_client: int, open_files: int | None) -> ConnectionLimits:
    """The limits that the settings and the process's limit of open files leave.

    >>> limits_of(1024, 0, open_files=512)
    ConnectionLimits(in_all=384, per_client=192)

    Args:
        most: the setting `max_connections`.
        most_per_client: the setting `max_connections_per_client`; 0 for half of all.
        open_files: limit of the process; None for none.
    """
    if open_files is not None:
        most = min(most, max(open_files - DESCRIPTOR_RESERVE, open_files // 2))
    return ConnectionLimits(most, min(most, most_per_client or max(1, most // 2)))


def limit_of_open_files() -> int | None:
    """Most file descriptors that this process may have; None without a limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
