"""A worker that is there and does nothing is not left there."""

from __future__ import annotations

import subprocess
import sys

from takt.server.workers.member import (
    SILENT_AT_FIRST_S,
    SILENT_S,
    STARTED_WITHIN_S,
    STILL_S,
    Member,
    State,
    excuse,
    kill_silent,
)
from tests.unit.service.server.workers.test_acceptor import Told


def test_only_a_worker_that_should_speak_and_does_not_is_killed() -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    states = (State.LOADED, State.LOADED, State.STARTING, State.LEAVING, State.UP)
    processes = [subprocess.Popen(command) for _ in states]
    members: list[Member] = []
    for number, (process, state) in enumerate(zip(processes, states, strict=True)):
        member = Told(number, state)
        member.pid, member.heard_s = process.pid, 0.0
        members.append(member)
    members[1].heard_s = 1.0
    try:
        kill_silent(members, now_s=SILENT_S + 0.5)
        assert processes[0].wait(timeout=30) == -9
        assert [one.poll() for one in processes[1:]] == [None] * 4
        # Loading may take the interpreter at first.
        kill_silent(members[2:], now_s=SILENT_AT_FIRST_S + 0.5)
        assert processes[4].wait(timeout=30) == -9
        # One that starts has long to load what it needs.
        kill_silent(members[2:4], now_s=STARTED_WITHIN_S + 0.5)
        assert processes[2].wait(timeout=30) == -9
        assert processes[3].poll() is None
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for member in members:
            assert isinstance(member, Told)
            member.end()


def test_only_a_worker_whose_models_have_loaded_is_seen_to_stand_still() -> None:
    for state in State:
        member = Told(0, state)
        assert not member.look_still(STILL_S)
        assert member.look_still(STILL_S + 0.1) == (state is State.LOADED)
        member.end()


def test_a_pause_of_the_whole_machine_is_no_worker_s_silence() -> None:
    member = Told(0, State.LOADED)
    member.heard_s = 1.0
    excuse([member], late_s=3600.0)
    assert not member.look_still(3601.0 + STILL_S)
    # A look that is late by little excuses nobody, or one that hangs on a busy machine would stay.
    excuse([member], late_s=STILL_S)
    assert member.look_still(3601.1 + STILL_S)
    member.end()
