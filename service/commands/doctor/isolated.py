"""Asking in a process of its own, with a limit of time: a driver that crashes or hangs may."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

CHILD = (sys.executable, "-P", "-m", "service.commands.doctor.child")
"""Without the folder it is started in, which may have a `service` of its own."""

_GRACE_S = 5.0
"""For a killed process to go; one that hangs in the kernel does not, and is left behind."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended: its output, and what is wrong with how it ended, if anything is."""

    output: str
    log: str
    failure: str


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a probe answered.

    Attributes:
        value: None if it failed.
        failure: why, in a line; empty if it did not.
        log: what the libraries wrote meanwhile.
    """

    value: T | None
    failure: str
    log: str


def ask(
    answer: type[T],
    probe: str,
    *arguments: str,
    limit_s: float = 60.0,
    child: Sequence[str] = CHILD,
) -> Answer[T]:
    """Run a probe of `service.commands.doctor.child`; its failure is told, not raised.

    Args:
        answer: what it answers: a dataclass.
        probe: its name.
        arguments: of the probe.
        limit_s: after which it is ended.
        child: how it is started.
    """
    finished = run_limited((*child, probe, *arguments), limit_s)
    if finished.failure:
        return Answer(None, finished.failure, finished.log)
    try:
        reply = TypeAdapter(dict[str, object]).validate_json(finished.output)
        if "failure" in reply:
            return Answer(None, str(reply["failure"]), finished.log)
        return Answer(TypeAdapter(answer).validate_python(reply), "", finished.log)
    except ValidationError:
        return Answer(None, "it gave no answer that can be read", finished.log)


def run_limited(command: Sequence[str], limit_s: float) -> Finished:
    """Run a command, and end it and what it started if it takes longer.

    Args:
        command: the program and its arguments.
        limit_s: how long it may take.
    """
    # Files and not pipes: what a killed process leaves behind could keep a pipe open for ever.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            return Finished("", "", f"it cannot be started: {error}")
        try:
            code = process.wait(limit_s)
            failure = _ending(code)
        except subprocess.TimeoutExpired:
            failure = f"it gave no answer within {limit_s:g} s"
        finally:
            _end(process)
        texts = []
        for file in (output, log):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    last = texts[1].strip().splitlines()[-1:]
    if failure and last:
        failure = f"{failure}: {last[0].strip()}"
    return Finished(texts[0], texts[1], failure)


def _ending(code: int) -> str:
    if code == 0:
        return ""
    if code > 0:
        return f"it ended with {code}"
    with contextlib.suppress(ValueError):
        return f"it crashed with {signal.Signals(-code).name}"
    return f"it crashed with signal {-code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Of a process that has ended, whatever it started and left."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
