"""What controllers say and stations show, drawn."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from takt_station.cycle.signals import (
    Controls,
    NoDecisionReason,
    OfflineReason,
    ResultCode,
    ShownResult,
    StationStatus,
)
from takt_station.plc.registers import RegisterMap

words = st.integers(0, 0xFFFF)
double_words = st.integers(0, 0xFFFF_FFFF)
maps = st.builds(RegisterMap, high_word_first=st.booleans(), high_byte_first=st.booleans())
_PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
lots, codes = (
    st.text(_PRINTABLE, max_size=length).map(lambda text: text.strip(" ")) for length in (32, 64)
)
controls = st.builds(
    Controls, **dict.fromkeys(("trigger", "set_offline"), st.booleans()), command=words
) | st.builds(
    Controls,
    trigger_enable=st.booleans(),
    trigger=st.booleans(),
    buffer_results=st.booleans(),
    results_ack=st.booleans(),
    execute_command=st.booleans(),
    set_offline=st.booleans(),
    clear_error=st.booleans(),
    command=words,
    part=double_words,
    lot=lots,
    code=codes,
)
results = st.builds(
    ShownResult,
    acquisition=st.integers(1, 0xFFFF),
    part=double_words,
    inspection=st.integers(1, 0xFFFF),
    code=st.sampled_from(ResultCode),
    reason=st.none() | st.sampled_from(NoDecisionReason),
    score=st.floats(width=32, allow_nan=False) | st.just(math.nan),
    recipe=words,
)
_BITS = (
    "online",
    "trigger_ready",
    "trigger_ack",
    "acquiring",
    "acquisition_error",
    "inspecting",
    "completed",
    "results_valid",
    "overrun",
    "fault",
    "command_busy",
    "command_done",
    "command_failed",
)
statuses = st.builds(
    StationStatus,
    **dict.fromkeys(_BITS, st.booleans()),
    offline_reason=st.sampled_from(OfflineReason),
    **dict.fromkeys(("recipe", "acquisition", "heartbeat"), words),
    waiting=st.integers(0, 8),
    result=st.none() | results,
)
IDLE = StationStatus(
    online=True,
    offline_reason=OfflineReason.NONE,
    trigger_ready=True,
    trigger_ack=False,
    acquiring=False,
    acquisition_error=False,
    inspecting=False,
    completed=False,
    results_valid=False,
    overrun=False,
    fault=False,
    command_busy=False,
    command_done=False,
    command_failed=False,
    recipe=1,
    acquisition=0,
    heartbeat=7,
    waiting=0,
    result=None,
)
"""A station that waits for its first part."""
RESULT = ShownResult(
    acquisition=1,
    part=1,
    inspection=1,
    code=ResultCode.OK,
    reason=None,
    score=0.25,
    recipe=1,
)
"""The first one, and a good one."""
