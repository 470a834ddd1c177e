"""What a connection inside TLS writes to, as it would to a plain one."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any


class TlsTransport:
    """Encrypts what is written; the rest is the plain transport's.

    So what a client has not read yet is counted where it waits, as encrypted bytes, and
    `write_eof` ends one direction alone, as the plain one does.

    Args:
        raw: the transport of the encrypted bytes.
        tls: its handshake is done.
        outgoing: where `tls` puts what is to be sent.
        protocol: takes what the client sends.

    Attributes:
        protocol: the same, or the one that took its place.
        ended: whether the client was told that nothing more comes.
    """

    def __init__(
        self,
        raw: asyncio.Transport,
        tls: ssl.SSLObject,
        outgoing: ssl.MemoryBIO,
        protocol: asyncio.Protocol,
    ) -> None:
        self._raw = raw
        self._tls = tls
        self._outgoing = outgoing
        self.protocol = protocol
        self.ended = False
        self.abort = raw.abort
        self.get_write_buffer_size = raw.get_write_buffer_size
        self.is_closing = raw.is_closing
        self.pause_reading = raw.pause_reading
        self.resume_reading = raw.resume_reading

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        """Hand what the client sends to another one from now on."""
        self.protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection, the encryption included."""
        if name == "ssl_object":
            return self._tls
        if name == "sslcontext":
            return self._tls.context
        return self._raw.get_extra_info(name, default)

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        if self.ended:
            return
        left = memoryview(data)
        while left:
            left = left[self._tls.write(left) :]
        self.flush()

    def flush(self) -> None:
        """Send what is encrypted."""
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())

    def write_eof(self) -> None:
        """Tell the client that nothing more comes; it may still send."""
        self._end()
        self._raw.write_eof()

    def close(self) -> None:
        """Send what waits, tell the client that nothing more comes, and close."""
        self._end()
        self._raw.close()

    def _end(self) -> None:
        if self.ended or self._raw.is_closing():
            return
        self.ended = True
        # It wants to read the client's own farewell, which nobody waits for.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self.flush()
