"""Boundaries of WebSocket frames in the bytes that come, found before anybody parses them."""

from __future__ import annotations

_TEXT, _CONTROL = 1, 8
_FINAL = _MASKED = 0x80
_WIDE = {126: 2, 127: 8}
"""Lengths that stand for a length of so many bytes after the header's second byte."""


class FrameScanner:
    """Follows frames through chunks of bytes; counts chatter, and measures the open message.

    Chatter is what costs more to handle than to send: control frames, text messages, and small
    parts of messages.

    >>> ping, text = bytes([0x89, 0x80, 0, 0, 0, 0]), bytes([0x81, 0x81, 0, 0, 0, 0, 65])
    >>> scanner = FrameScanner()
    >>> scanner.feed(ping + text + ping[:3]), scanner.feed(ping[3:])
    (2, 1)

    Attributes:
        message_bytes: of the payload of the message that has begun and is not whole.
        messages: that are whole.
        in_message: whether one has begun and is not whole.
    """

    def __init__(self) -> None:
        self.message_bytes = self.messages = 0
        self.in_message = False
        self._header = b""
        # Of the frame that is under way.
        self._in_frame = self._control = self._final = False
        self._left = 0

    def feed(self, data: bytes) -> int:
        """Follow the next bytes.

        Returns:
            How many frames of chatter have begun in them.
        """
        if self._header:
            data, self._header = self._header + data, b""
        chatter, position, end = 0, 0, len(data)
        while True:
            if self._in_frame:
                taken = min(self._left, end - position)
                position += taken
                self._left -= taken
                if not self._control:
                    self.message_bytes += taken
                if self._left:
                    return chatter
                self._end_frame()
            if position == end:
                return chatter
            size = _header_size(data, position)
            if size > end - position:
                self._header = data[position:]
                return chatter
            chatter += self._begin_frame(data, position)
            position += size

    def _begin_frame(self, data: bytes, position: int) -> bool:
        """Note a frame; True for chatter."""
        first, length = data[position], data[position + 1] & 0x7F
        small = length not in _WIDE
        if not small:
            length = int.from_bytes(data[position + 2 : position + 2 + _WIDE[length]])
        opcode = first & 0x0F
        self._in_frame, self._left = True, length
        self._control, self._final = opcode >= _CONTROL, bool(first & _FINAL)
        if not self._control:
            self.in_message = True
        return self._control or opcode == _TEXT or (small and not self._final)

    def _end_frame(self) -> None:
        self._in_frame = False
        if self._final and not self._control:
            self.in_message = False
            self.message_bytes = 0
            self.messages += 1


def _header_size(data: bytes, position: int) -> int:
    """Bytes of the header that begins here; more than there are if its length is not there yet."""
    if position + 1 >= len(data):
        return 2
    second = data[position + 1]
    return 2 + _WIDE.get(second & 0x7F, 0) + (4 if second & _MASKED else 0)
