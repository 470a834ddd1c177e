"""Runs probes in processes of their own with a time limit, as drivers may crash or hang."""

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

CHILD = (sys.executable, "-P", "-m", "takt.commands.doctor.child")
"""Command that starts a probe; -P, as the working folder may have a `takt` of its own."""

_GRACE_S = 5.0
"""Longest wait for a killed process; one that hangs in the kernel is left behind."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended: its output, its log, and what went wrong, empty if nothing did."""

    output: str
    log: str
    failure: str


@dataclass(frozen=True, slots=True)
class ProbeAnswer(Generic[T]):
    """Answer of a probe.

    Attributes:
        value: the facts; None if the probe failed.
        failure: why it failed, on one line; empty if it did not.
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
) -> ProbeAnswer[T]:
    """Runs a probe of `child.py`; a failure is in the answer and is not raised.

    Args:
        answer: dataclass that the probe answers.
        probe: name of the probe.
        arguments: arguments of the probe.
        limit_s: time after which the probe is killed.
        child: command that starts a probe.
    """
    finished = run_limited((*child, probe, *arguments), limit_s)
    if finished.failure:
        return ProbeAnswer(None, finished.failure, finished.log)
    try:
        reply = TypeAdapter(dict[str, object]).validate_json(finished.output)
        if "failure" in reply:
            return ProbeAnswer(None, str(reply["failure"]), finished.log)
        return ProbeAnswer(TypeAdapter(answer).validate_python(reply), "", finished.log)
    except ValidationError:
        return ProbeAnswer(None, "it gave no answer that can be read", finished.log)


def run_limited(command: Sequence[str], limit_s: float) -> Finished:
    """Runs a command; kills it and the processes that it started after the limit.

    >>> run_limited((sys.executable, "-c", "print(1 + 1)"), 60).output.strip()
    '2'

    Args:
        command: the program and its arguments.
        limit_s: longest time that it may take.
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
    """Kills a process and its group; one that has ended may have left others."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
