"""A transport whose `close` is another one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class LingeringTransport:
    """Hands a connection's calls on, but for `close`; costs them nothing.

    A socket that is closed while the peer still sends is reset, and the peer loses the answer that
    it has not read.

    Args:
        inner: the transport.
        close: called instead of its `close`.
    """

    def __init__(self, inner: asyncio.Transport, close: Callable[[], None]) -> None:
        self.inner = inner
        self.close = close
        self.abort = inner.abort
        self.get_extra_info = inner.get_extra_info
        self.get_write_buffer_size = inner.get_write_buffer_size
        self.is_closing = inner.is_closing
        self.pause_reading = inner.pause_reading
        self.resume_reading = inner.resume_reading
        self.set_protocol = inner.set_protocol
        self.write = inner.write
        self.write_eof = inner.write_eof
