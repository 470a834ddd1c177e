from __future__ import annotations

import asyncio
import contextlib

import pytest

from takt.core.batching import uploads as module
from takt.core.batching.uploads import BYTES_PER_S, GRACE_S, Upload, Uploads
from takt.core.errors import TooManyUploadsError, UploadTooSlowError
from tests.unit.service.core.batching.conftest import reached


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.0)


async def looked() -> None:
    """Let the uploads be looked at several times, which happens at every turn of the loop."""
    for _ in range(20):
        await asyncio.sleep(0)


class Sender:
    """A task that uploads without end."""

    def __init__(
        self, uploads: Uploads, client: str | None = "10.0.0.1", *, in_parts: bool = True
    ) -> None:
        self.upload: Upload | None = None
        self.task = asyncio.create_task(self._send(uploads, client, in_parts))

    async def _send(self, uploads: Uploads, client: str | None, in_parts: bool) -> None:
        with uploads.begin(client, in_parts=in_parts) as self.upload:
            await asyncio.get_running_loop().create_future()

    async def begun(self) -> Sender:
        await reached(lambda: self.upload is not None or self.task.done())
        return self

    def received(self, size: int) -> None:
        assert self.upload is not None
        self.upload.received(size)

    async def leave(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def test_an_upload_that_stands_still_ends(clock: Clock) -> None:
    uploads = Uploads(clock=clock)
    still, steady = await Sender(uploads).begun(), await Sender(uploads).begun()
    steady.received(10 * BYTES_PER_S)
    clock.now_s = GRACE_S - 0.1
    steady.received(1)
    await looked()
    assert len(uploads) == 2
    clock.now_s = GRACE_S
    with pytest.raises(UploadTooSlowError, match="stood still") as slow:
        await still.task
    assert (slow.value.status, slow.value.headers) == (408, {"Connection": "close"})
    assert len(uploads) == 1
    await steady.leave()


async def test_a_byte_now_and_then_does_not_keep_an_upload(clock: Clock) -> None:
    uploads = Uploads(clock=clock)
    trickle = await Sender(uploads).begun()
    while clock.now_s < GRACE_S + 0.1:
        trickle.received(1)
        clock.now_s += 0.1
    with pytest.raises(UploadTooSlowError):
        await trickle.task


async def test_a_steady_upload_ends_at_the_longest_time(clock: Clock) -> None:
    uploads = Uploads(timeout_s=5.0, clock=clock)
    steady = await Sender(uploads).begun()
    for second in range(5):
        clock.now_s = second
        steady.received(2 * BYTES_PER_S)
        await looked()
        assert not steady.task.done()
    clock.now_s = 5.0
    steady.received(2 * BYTES_PER_S)
    with pytest.raises(UploadTooSlowError, match=r"within 5 s.*upload_timeout_s"):
        await steady.task


async def test_an_upload_that_is_seen_once_it_is_whole_has_the_longest_time(clock: Clock) -> None:
    uploads = Uploads(timeout_s=5.0, clock=clock)
    whole = await Sender(uploads, in_parts=False).begun()
    clock.now_s = GRACE_S + 1.0
    await looked()
    assert not whole.task.done()
    clock.now_s = 5.0
    with pytest.raises(UploadTooSlowError, match=r"within 5 s.*upload_timeout_s"):
        await whole.task


async def test_a_client_has_half_of_the_places_and_all_together_the_others(clock: Clock) -> None:
    uploads = Uploads(places=4, clock=clock)
    senders = []
    for client in ("10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.3"):
        clock.now_s += 0.01
        senders.append(await Sender(uploads, client).begun())
    with pytest.raises(TooManyUploadsError, match="by this caller") as refused:
        await senders[0].task
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
    with pytest.raises(TooManyUploadsError, match=r"time, as many"):
        await senders[1].task
    assert len(uploads) == 4
    for sender in senders[2:]:
        await sender.leave()
    assert len(uploads) == 0


async def test_the_upload_that_stands_still_longest_makes_room(clock: Clock) -> None:
    uploads = Uploads(places=4, clock=clock)
    steady, still = await Sender(uploads).begun(), await Sender(uploads).begun()
    clock.now_s = 0.1
    steady.received(BYTES_PER_S)
    newcomer = await Sender(uploads).begun()
    with pytest.raises(TooManyUploadsError, match="stood still longest"):
        await still.task
    assert not steady.task.done()
    await steady.leave()
    await newcomer.leave()


async def test_who_has_sent_nothing_makes_room_before_who_has(clock: Clock) -> None:
    uploads = Uploads(places=4, clock=clock)
    begun = await Sender(uploads).begun()
    begun.received(BYTES_PER_S)
    clock.now_s = 0.1
    empty, newcomer = await Sender(uploads).begun(), await Sender(uploads).begun()
    with pytest.raises(TooManyUploadsError):
        await empty.task
    assert not begun.task.done()
    await begun.leave()
    await newcomer.leave()


async def test_good_uploads_get_in_however_many_of_their_address_stand_still(clock: Clock) -> None:
    uploads = Uploads(clock=clock)
    attackers = [await Sender(uploads).begun() for _ in range(256)]
    for _ in range(100):
        clock.now_s += 0.001
        attackers.append(await Sender(uploads).begun())
        with uploads.begin("10.0.0.1") as upload:
            upload.received(20_000)
    for attacker in attackers:
        attacker.task.cancel()
    await asyncio.gather(*(one.task for one in attackers), return_exceptions=True)
    assert len(uploads) == 0


async def test_addresses_of_one_ipv6_network_share_and_mapped_ones_are_ipv4(clock: Clock) -> None:
    uploads = Uploads(places=2, clock=clock)
    one = await Sender(uploads, "2001:db8::1").begun()
    neighbour = await Sender(uploads, "2001:db8::2").begun()
    with pytest.raises(TooManyUploadsError, match="by this caller"):
        await one.task
    mapped = await Sender(uploads, "::ffff:10.0.0.1").begun()
    same = await Sender(uploads, "10.0.0.1").begun()
    with pytest.raises(TooManyUploadsError, match="by this caller"):
        await mapped.task
    await neighbour.leave()
    await same.leave()


async def test_a_cancellation_from_elsewhere_stays_one(clock: Clock) -> None:
    uploads = Uploads(clock=clock)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            with uploads.begin(None):
                await asyncio.get_running_loop().create_future()
    assert len(uploads) == 0
