"""A real server of the registers, asked by pymodbus's client and by bare bytes."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import ip_network

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.constants import ExcCodes

from plugins.station.tests.controllers import IDLE, RESULT
from plugins.station.tests.plc.conftest import Heard
from takt_station.cycle.signals import Controls
from takt_station.plc.access import MasterAccess
from takt_station.plc.camera import ModbusCamera
from takt_station.plc.registers import RegisterMap

READ_STATUS = struct.pack(">BHH", 4, 3000, 16)
WRITE_0 = struct.pack(">BHH", 6, 0, 0)


@asynccontextmanager
async def served(heard: Heard, access: MasterAccess) -> AsyncIterator[ModbusCamera]:
    camera = ModbusCamera(
        "127.0.0.1", 0, RegisterMap(), heard.controls.append, heard.status, access
    )
    await camera.start()
    try:
        yield camera
    finally:
        await camera.stop()


@asynccontextmanager
async def master(
    camera: ModbusCamera, host: str = "127.0.0.1"
) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient(
        "127.0.0.1", port=camera.port, source_address=(host, 0), timeout=5, retries=0
    )
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


Bytes = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connection(camera: ModbusCamera, host: str = "127.0.0.1") -> AsyncIterator[Bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", camera.port, local_addr=(host, 0))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def frame(request: bytes, transaction: int = 1) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(request) + 1, 1) + request


async def asked(pipe: Bytes, request: bytes, transaction: int = 1) -> bytes:
    """The answer to one request, without its head, which has to be right."""
    reader, writer = pipe
    writer.write(frame(request, transaction))
    head = await asyncio.wait_for(reader.readexactly(7), 5)
    found, protocol, length, unit = struct.unpack(">HHHB", head)
    assert (found, protocol, unit) == (transaction, 0, 1)
    return await reader.readexactly(length - 1)


async def ended(pipe: Bytes) -> bytes:
    """What comes until the server closes the connection."""
    try:
        return await asyncio.wait_for(pipe[0].read(), 5)
    except ConnectionError:
        return b""


async def test_all_functions_of_registers_are_served(camera: ModbusCamera, heard: Heard) -> None:
    async with master(camera) as client:
        await client.write_registers(0, [1, 0, 7, 0, 5])
        await client.write_register(0, 3)
        await client.mask_write_register(address=0, and_mask=0xFFFD, or_mask=0)
        both = await client.readwrite_registers(
            read_address=3000, read_count=2, write_address=1, values=[1]
        )
        assert both.registers == [0b1000_0001, 1]  # the write comes first
        assert (await client.read_holding_registers(0, count=5)).registers == [1, 1, 7, 0, 5]
        assert (await client.read_input_registers(3002, count=1)).registers == [1]
        assert (await client.read_holding_registers(3002, count=1)).registers == [1]
    enabled = Controls(trigger_enable=True, command=7, part=5)
    assert heard.controls == [enabled, replace(enabled, trigger=True), enabled, enabled]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (struct.pack(">BHH", 1, 0, 8), ExcCodes.ILLEGAL_FUNCTION),
        (struct.pack(">BHH", 8, 0, 0), ExcCodes.ILLEGAL_FUNCTION),
        (struct.pack(">BBBB", 43, 14, 1, 0), ExcCodes.ILLEGAL_FUNCTION),
        (b"\x00", ExcCodes.ILLEGAL_FUNCTION),
        (struct.pack(">BHH", 4, 0, 1), ExcCodes.ILLEGAL_ADDRESS),
        (struct.pack(">BHH", 3, 65535, 2), ExcCodes.ILLEGAL_ADDRESS),
        (struct.pack(">BHH", 3, 53, 1), ExcCodes.ILLEGAL_ADDRESS),
        (struct.pack(">BHH", 4, 3000, 17), ExcCodes.ILLEGAL_ADDRESS),
        (struct.pack(">BHH", 6, 53, 1), ExcCodes.ILLEGAL_ADDRESS),
        (struct.pack(">BHH", 6, 3000, 1), ExcCodes.ILLEGAL_ADDRESS),
        (struct.pack(">BHHHHBH", 23, 9000, 1, 0, 1, 2, 1), ExcCodes.ILLEGAL_ADDRESS),
        (struct.pack(">BHH", 4, 3000, 0), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHH", 4, 3000, 126), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BH", 4, 3000), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHB", 4, 3000, 1, 0), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHBH", 16, 0, 2, 4, 1), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHBH", 16, 0, 1, 4, 1), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHBHH", 16, 0, 1, 2, 1, 1), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHHHBH", 23, 0, 1, 0, 2, 4, 1), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHHHBHH", 23, 0, 1, 0, 2, 2, 1, 1), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHB", 16, 0, 0, 0), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHB124H", 16, 0, 124, 248, *[0] * 124), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHHHB122H", 23, 0, 1, 0, 122, 244, *[0] * 122), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHB", 16, 0, 128, 0), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHBH", 16, 0, 129, 2, 1), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHBH", 16, 0, 65535, 254, 1), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHH", 3, 0, 65535), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHHHBH", 23, 0, 65535, 0, 1, 2, 1), ExcCodes.ILLEGAL_VALUE),
        (struct.pack(">BHHHHBH", 23, 0, 1, 0, 65535, 2, 1), ExcCodes.ILLEGAL_VALUE),
    ],
)
async def test_a_wrong_request_gets_its_exception_and_the_next_its_answer(
    camera: ModbusCamera,
    heard: Heard,
    caplog: pytest.LogCaptureFixture,
    request_: bytes,
    code: ExcCodes,
) -> None:
    async with connection(camera) as pipe:
        assert await asked(pipe, request_[:253], 7) == bytes([request_[0] | 0x80, code])
        assert len(await asked(pipe, READ_STATUS)) == 2 + 32
    assert heard.controls == []
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []


async def test_a_station_that_fails_is_a_failure_of_the_device(
    camera: ModbusCamera, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heard, "shown", replace(IDLE, recipe=70000))
    async with connection(camera) as pipe:
        assert await asked(pipe, READ_STATUS) == bytes([0x84, ExcCodes.DEVICE_FAILURE])
        heard.shown = IDLE
        assert len(await asked(pipe, READ_STATUS)) == 2 + 32


async def test_requests_that_come_together_are_all_answered_in_order(
    camera: ModbusCamera,
) -> None:
    async with connection(camera) as (reader, writer):
        writer.write(b"".join(frame(READ_STATUS, number) for number in range(100)))
        for number in range(100):
            answer = await asyncio.wait_for(reader.readexactly(7 + 2 + 32), 5)
            assert answer[:2] == struct.pack(">H", number)


async def test_a_request_that_comes_byte_by_byte_is_answered(camera: ModbusCamera) -> None:
    async with connection(camera) as (reader, writer):
        for byte in frame(READ_STATUS):
            writer.write(bytes([byte]))
            await writer.drain()
        assert len(await asyncio.wait_for(reader.readexactly(41), 5)) == 41


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nhost: camera\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        struct.pack(">HHHB", 1, 0, 1, 1) + READ_STATUS,
        struct.pack(">HHHB", 1, 0, 0, 1) + READ_STATUS,
        struct.pack(">HHHB", 1, 0, 0xFFFF, 1) + READ_STATUS,
        struct.pack(">HHHB", 1, 7, 6, 1) + READ_STATUS,
    ],
    ids=["http", "tls", "no request", "nothing", "endless", "another protocol"],
)
async def test_what_is_no_modbus_ends_its_connection_alone(
    camera: ModbusCamera, heard: Heard, sent: bytes
) -> None:
    async with connection(camera) as other, connection(camera) as pipe:
        pipe[1].write(sent)
        assert await ended(pipe) == b""
        assert len(await asked(other, READ_STATUS)) == 2 + 32
    assert heard.controls == []


async def test_random_bytes_do_not_end_the_server(camera: ModbusCamera) -> None:
    draw = random.Random(35)
    for _ in range(300):
        async with connection(camera) as (_, writer):
            request = draw.randbytes(draw.randint(1, 253))
            honest = draw.random() < 0.8
            writer.write(frame(request) if honest else request)
            if draw.random() < 0.5:
                writer.write_eof()
            await writer.drain()
    async with connection(camera) as pipe:
        assert len(await asked(pipe, READ_STATUS)) == 2 + 32


async def test_reads_are_never_torn(camera: ModbusCamera, heard: Heard) -> None:
    """While results follow each other, what is read together belongs together."""

    async def results() -> None:
        number = 0
        while True:
            number = number % 60000 + 1
            shown = {"part": number << 16 | number, "acquisition": number, "inspection": number}
            result = replace(RESULT, **shown)
            heard.shown = replace(IDLE, acquisition=number, heartbeat=number, result=result)
            await asyncio.sleep(0)

    async def read() -> set[int]:
        seen = set()
        async with connection(camera) as pipe:
            for _ in range(200):
                words = struct.unpack(">16H", (await asked(pipe, READ_STATUS))[2:])
                output = words[2:]
                assert len({*output[2:4], *output[5:7], *output[11:13]}) == 1
                seen.add(output[2])
        return seen

    changing = asyncio.create_task(results())
    try:
        seen = await asyncio.gather(*(read() for _ in range(4)))
    finally:
        changing.cancel()
    assert len(set.union(*seen)) > 100


async def test_one_host_writes_and_the_others_read(camera: ModbusCamera, heard: Heard) -> None:
    async with master(camera, "127.0.0.2") as second:
        async with master(camera) as first:
            assert not (await first.write_register(0, 1)).isError()
            refused = await second.write_register(0, 0)
            assert refused.exception_code == ExcCodes.DEVICE_BUSY
            assert (await second.read_input_registers(3000, count=16)).registers
            async with master(camera) as again:
                assert not (await again.write_register(0, 3)).isError()
        while (await second.write_register(0, 0)).isError():
            pass  # until the server has seen the others go
    assert [one.trigger_enable for one in heard.controls] == [True, True, False]


async def test_more_connections_than_allowed_are_closed_and_room_comes_back(heard: Heard) -> None:
    async with served(heard, MasterAccess(most_connections=4)) as camera:
        async with connection(camera) as first, connection(camera) as second:
            await asked(first, READ_STATUS)
            await asked(second, READ_STATUS)
            async with connection(camera) as third:
                assert await ended(third) == b""
            await asked(first, READ_STATUS)
        while True:
            async with connection(camera) as later:
                try:
                    assert await asked(later, READ_STATUS)
                except (asyncio.IncompleteReadError, ConnectionError):
                    continue  # the server has not seen the others go
                break


async def test_silent_connections_of_one_host_leave_places_for_the_controller(
    camera: ModbusCamera,
) -> None:
    async with AsyncExitStack() as stranger:
        for _ in range(8):
            await stranger.enter_async_context(connection(camera, "127.0.0.2"))
        async with connection(camera) as reading, connection(camera) as writing:
            assert len(await asked(reading, READ_STATUS)) == 2 + 32
            assert await asked(writing, WRITE_0) == WRITE_0


async def test_a_place_stays_for_the_host_that_wrote_last(camera: ModbusCamera) -> None:
    async with connection(camera) as controller:
        assert await asked(controller, WRITE_0) == WRITE_0
    async with AsyncExitStack() as strangers:
        for number in range(2, 18):
            pipe = await strangers.enter_async_context(connection(camera, f"127.0.0.{number}"))
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await asked(pipe, READ_STATUS)
        async with connection(camera) as again:
            assert await asked(again, WRITE_0) == WRITE_0


@pytest.mark.parametrize("sent", [b"", frame(READ_STATUS)[:5], frame(READ_STATUS)[:9]])
async def test_a_silent_master_is_dropped_and_an_asking_one_stays(
    heard: Heard, sent: bytes
) -> None:
    async with (
        served(heard, MasterAccess(silent_s=0.2)) as camera,
        connection(camera) as asking,
        connection(camera) as silent,
    ):
        silent[1].write(sent)
        gone = asyncio.create_task(ended(silent))
        while not gone.done():
            await asked(asking, READ_STATUS)
        assert gone.result() == b""
        assert await asked(asking, READ_STATUS)


async def test_a_master_that_reads_no_answer_is_dropped(heard: Heard) -> None:
    with socket.socket() as deaf:
        for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            deaf.setsockopt(socket.SOL_SOCKET, buffer, 4096)
        async with served(heard, MasterAccess(silent_s=0.2)) as camera:
            deaf.connect(("127.0.0.1", camera.port))
            deaf.setblocking(False)
            asks = frame(struct.pack(">BHH", 3, 0, 53)) * 100
            with pytest.raises(ConnectionError):
                while True:
                    await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(deaf, asks), 10)


async def test_a_master_that_floods_does_not_keep_others_waiting(camera: ModbusCamera) -> None:
    order: list[str] = []

    async def flood(reader: asyncio.StreamReader) -> None:
        for _ in range(2000):
            await reader.readexactly(7 + 2 + 32)
            order.append("flood")

    async with connection(camera) as (reader, writer), connection(camera) as pipe:
        writer.write(frame(READ_STATUS) * 2000)
        flooding = asyncio.create_task(flood(reader))
        for _ in range(20):
            await asked(pipe, READ_STATUS)
            order.append("asked")
        await asyncio.wait_for(flooding, 30)
    assert order.index("asked") < 500
    assert order[-1] == "flood"


async def test_only_allowed_addresses_are_answered(heard: Heard) -> None:
    access = MasterAccess(networks=(ip_network("127.0.0.2/32"), ip_network("::1/128")))
    async with served(heard, access) as camera:
        async with connection(camera) as pipe:
            assert await ended(pipe) == b""
        async with master(camera, "127.0.0.2") as client:
            assert (await client.read_input_registers(3000, count=1)).registers


async def test_a_stop_closes_what_is_open_and_frees_the_port(
    camera: ModbusCamera, heard: Heard
) -> None:
    port = camera.port
    async with connection(camera) as pipe:
        await asked(pipe, READ_STATUS)
        await camera.stop()
        assert await ended(pipe) == b""
    again = ModbusCamera("127.0.0.1", port, RegisterMap(), heard.controls.append, heard.status)
    await again.start()
    await again.stop()


async def test_a_master_that_is_connected_at_the_end_is_no_error(
    heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(heard, MasterAccess()) as camera:
        reader, writer = await asyncio.open_connection("127.0.0.1", camera.port)
        writer.write(struct.pack(">HHHB", 1, 0, 6, 1) + READ_STATUS)
        await reader.readexactly(7)
    await asyncio.sleep(0)
    writer.transport.abort()

    assert [one for one in caplog.records if one.levelname == "ERROR"] == []
