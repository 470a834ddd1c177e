"""Pictures that are still being sent: how many may be, for how long, and how slowly.

An upload holds a place, and none in a model's queue. It ends by a refusal if it is slow. Where all
places are taken, the one that has stood still longest makes room for the newcomer: a quick upload
has its place for milliseconds, so that those who open many and send nothing are in nobody's way.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable
from typing import Self

from takt.core.errors import TaktError, TooManyUploadsError, UploadTooSlowError

PLACES = 256
"""Uploads at the same time, over all models; more where a model's queue has more places."""

GRACE_S = 2.0
"""Longest time in which an upload may stand still."""

BYTES_PER_S = 32 * 1024
"""Slowest upload, once it has used up its grace."""

_LOOK_EVERY_S = 0.25
"""Time between two looks for uploads that are late; cheaper than a timer for each."""

_IPV6_NETWORK_BITS = 64


class Uploads:
    """All uploads of a server; used on one event loop.

    >>> async def upload() -> bytes:
    ...     uploads = Uploads()
    ...     with uploads.begin("10.0.0.7") as upload:
    ...         upload.received(len(chunk := b"all of it"))
    ...     return chunk
    >>> asyncio.run(upload())
    b'all of it'

    Args:
        places: uploads at the same time; one client may have half of them.
        timeout_s: longest time of an upload.
        clock: gives seconds that never go back.
    """

    def __init__(
        self,
        places: int = PLACES,
        timeout_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places = places
        self._share = (places + 1) // 2
        self._timeout_s = timeout_s
        self._clock = clock
        # Ordered by their beginning, as sets are not.
        self._open: dict[Upload, None] = {}
        self._of_client: dict[str, int] = {}
        self._looks = False

    def __len__(self) -> int:
        """Uploads that have a place."""
        return len(self._open)

    def begin(self, client: str | None, *, in_parts: bool = True) -> Upload:
        """A context for the reading of one body, by the task that reads it.

        Args:
            client: who sends it: a key's name, or an address, those of one IPv6 network being one.
            in_parts: whether it is seen as it comes; otherwise only the whole time bounds it.
        """
        now_s = self._clock()
        key = network_of(client or "")
        if self._of_client.get(key, 0) >= self._share:
            self._make_room(key)
        elif len(self._open) >= self._places:
            self._make_room(None)
        upload = Upload(self, key, now_s, GRACE_S if in_parts else self._timeout_s)
        self._open[upload] = None
        self._of_client[key] = self._of_client.get(key, 0) + 1
        if not self._looks:
            self._looks = True
            asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look)
        return upload

    def _make_room(self, client: str | None) -> None:
        """End the upload that is due first, of one client or of all; an empty one before others."""
        among = [one for one in self._open if client is None or one.client == client]
        latest = min(among, key=lambda one: (not one.empty, one.due_s))
        where = "" if client is None else " by this caller"
        latest.end(
            TooManyUploadsError(
                f"{len(among)} pictures are being sent at the same time{where}, as many as may be, "
                "and this one stood still longest; send it again later",
                retry_after_s=1,
            )
        )

    def _look(self) -> None:
        """End the uploads that are late."""
        now_s = self._clock()
        for upload in list(self._open):
            if now_s >= upload.begun_s + self._timeout_s:
                upload.end(
                    UploadTooSlowError(
                        f"the body was not there within {self._timeout_s:g} s; send a smaller "
                        "picture, or raise upload_timeout_s"
                    )
                )
            elif now_s >= upload.due_s:
                upload.end(
                    UploadTooSlowError(
                        f"the body came more slowly than {BYTES_PER_S // 1024} KiB a second, or "
                        f"stood still for {GRACE_S:g} s; send it in one go"
                    )
                )
        # Not as each leaves: most clients come again at once.
        self._of_client = {key: count for key, count in self._of_client.items() if count}
        self._looks = bool(self._open)
        if self._looks:
            asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look)

    def _leave(self, upload: Upload) -> None:
        if self._open.pop(upload, False) is None:
            self._of_client[upload.client] -= 1


class Upload:
    """One upload; made by `Uploads.begin`.

    Args:
        uploads: where it has its place.
        client: whose share it counts against.
        begun_s: when it began, by the clock of the uploads.
        grace_s: for how long it may stand still at first.

    Attributes:
        client: as given.
        begun_s: as given.
        due_s: when it ends as too slow, unless more bytes come.
        empty: whether none have come yet.
    """

    __slots__ = ("_error", "_task", "_uploads", "begun_s", "client", "due_s", "empty")

    def __init__(self, uploads: Uploads, client: str, begun_s: float, grace_s: float) -> None:
        self.client = client
        self.begun_s = begun_s
        self.due_s = begun_s + grace_s
        self.empty = True
        self._uploads = uploads
        self._task = asyncio.current_task()
        self._error: TaktError | None = None

    def received(self, size: int) -> None:
        """Count so many bytes that came."""
        latest_s = self._uploads._clock() + GRACE_S
        self.empty = self.empty and not size
        self.due_s = min(latest_s, self.due_s + size / BYTES_PER_S)

    def end(self, error: TaktError) -> None:
        """Take the place away, and have the reading task raise an error."""
        self._uploads._leave(self)
        if self._task is not None:
            self._error = error
            self._task.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._uploads._leave(self)
        task, self._task = self._task, None
        if self._error is not None and task is not None:
            task.uncancel()
            if kind is asyncio.CancelledError:
                raise self._error from None


def network_of(address: str) -> str:
    """The IPv6 network that an address is in, as its owner has all addresses of it.

    >>> network_of("2001:db8::7"), network_of("::ffff:10.0.0.7"), network_of("line3")
    ('2001:db8::', '10.0.0.7', 'line3')
    """
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    host_bits = 128 - _IPV6_NETWORK_BITS
    return str(ipaddress.IPv6Address(int(parsed) >> host_bits << host_bits))
