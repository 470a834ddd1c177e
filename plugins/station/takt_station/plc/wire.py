"""The Modbus protocol: a request comes in, its answer or exception goes out.

Requests and answers are pymodbus's. Its server is not used: it takes any number of connections,
keeps silent ones for ever, loses a request that comes together with another one, and does not tell
which master has written.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from typing import Final

from pymodbus.constants import ExcCodes
from pymodbus.pdu import DecodePDU, ModbusPDU, ReadHoldingRegistersRequest
from pymodbus.pdu.register_message import (
    MaskWriteRegisterRequest,
    MaskWriteRegisterResponse,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    ReadWriteMultipleRegistersRequest,
    ReadWriteMultipleRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

from takt_station.plc.memory import Memory, NoSuchRegister

logger = logging.getLogger("takt_station.plc")

_WRITES: Final = (6, 16, 22, 23)
FUNCTIONS: Final = (3, 4, *_WRITES)
"""The functions that are served: reads and writes of registers."""

_MOST_WRITTEN: Final = 123
"""Words that one request may write; pymodbus knows how many it may read."""


def answer(request: bytes, memory: Memory, may_write: Callable[[], bool]) -> bytes:
    """The answer to a request, or an exception of Modbus; it never raises.

    Args:
        request: its function's number, and what belongs to that.
        memory: what is read and written.
        may_write: tells whether this master may; asked by a write alone.
    """
    function = request[0]
    try:
        found = _answered(request, memory, may_write)
        if not isinstance(found, ExcCodes):
            return bytes([found.function_code]) + found.encode()
    except NoSuchRegister:
        found = ExcCodes.ILLEGAL_ADDRESS
    except Exception:
        logger.exception("a request of function %d failed", function)
        found = ExcCodes.DEVICE_FAILURE
    return bytes([function | 0x80, found])


def _answered(
    request: bytes, memory: Memory, may_write: Callable[[], bool]
) -> ModbusPDU | ExcCodes:
    if request[0] not in FUNCTIONS:
        return ExcCodes.ILLEGAL_FUNCTION
    if (asked := _decoded(request)) is None:
        return ExcCodes.ILLEGAL_VALUE
    if request[0] in _WRITES and not may_write():
        return ExcCodes.DEVICE_BUSY
    return _done(asked, memory)


def _decoded(request: bytes) -> ModbusPDU | None:
    """The request; None if its numbers are out of range, or do not fit each other."""
    asked = DecodePDU(is_server=True).decode(request)
    if asked is None:
        return None
    try:
        is_whole = request[1:] == asked.encode()
    except (ValueError, struct.error):  # a number is beyond what pymodbus, or its bytes, can have
        return None
    match asked:
        case WriteMultipleRegistersRequest():
            is_whole &= 1 <= asked.count <= _MOST_WRITTEN and asked.count == len(asked.registers)
        case ReadWriteMultipleRegistersRequest():
            count = len(asked.write_registers)
            is_whole &= (count, 2 * count) == (asked.write_count, asked.write_byte_count)
    return asked if is_whole else None


def _done(asked: ModbusPDU, memory: Memory) -> ModbusPDU | ExcCodes:
    match asked:
        case ReadInputRegistersRequest():
            words = memory.read(asked.address, asked.count, of_input=True)
            return ReadInputRegistersResponse(registers=words)
        case ReadHoldingRegistersRequest():
            words = memory.read(asked.address, asked.count)
            return ReadHoldingRegistersResponse(registers=words)
        case WriteSingleRegisterRequest():
            memory.write(asked.address, asked.registers)
            return WriteSingleRegisterResponse(address=asked.address, registers=asked.registers)
        case WriteMultipleRegistersRequest():
            memory.write(asked.address, asked.registers)
            return WriteMultipleRegistersResponse(address=asked.address, count=asked.count)
        case MaskWriteRegisterRequest():
            (before,) = memory.read(asked.address, 1)
            after = (before & asked.and_mask) | (asked.or_mask & ~asked.and_mask & 0xFFFF)
            memory.write(asked.address, [after])
            return MaskWriteRegisterResponse(
                address=asked.address, and_mask=asked.and_mask, or_mask=asked.or_mask
            )
        case ReadWriteMultipleRegistersRequest():
            # Nothing is written where what is to be read is not there.
            memory.read(asked.read_address, asked.read_count)
            memory.write(asked.write_address, asked.write_registers)
            words = memory.read(asked.read_address, asked.read_count)
            return ReadWriteMultipleRegistersResponse(registers=words)
    return ExcCodes.ILLEGAL_FUNCTION
