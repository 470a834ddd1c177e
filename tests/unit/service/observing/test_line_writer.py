import contextlib
import io
import logging
import os
import subprocess
import sys
import threading

import pytest

from takt.observing import line_writer
from takt.observing.line_writer import LineWriter


class Slow(io.StringIO):
    """A stream whose reader has stopped until `reads` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = threading.Event()
        self.asked = threading.Event()

    def write(self, text: str) -> int:
        self.asked.set()
        self.reads.wait()
        return super().write(text)


def test_what_was_put_is_written_in_order_by_the_end() -> None:
    stream = io.StringIO()
    with contextlib.closing(LineWriter(stream)) as writer:
        for number in range(100):
            writer.put(f"{number}")
    assert stream.getvalue().splitlines() == [str(number) for number in range(100)]


def test_a_reader_that_stops_keeps_nobody_waiting_and_what_is_lost_is_counted(caplog) -> None:
    stream = Slow()
    with (
        caplog.at_level(logging.WARNING, "takt.log"),
        contextlib.closing(LineWriter(stream, most=3000)) as writer,
    ):
        writer.put("first")
        stream.asked.wait()
        for number in range(10):
            writer.put(f"{number}")
        stream.reads.set()
    assert stream.getvalue().splitlines() == ["first", "0", "1", "2"]
    assert "7 lines were lost" in caplog.text


def test_what_waits_is_bounded_by_its_length_and_every_lost_line_is_counted(caplog) -> None:
    stream = Slow()
    long = "\n".join(["x" * 99] * 100)
    with (
        caplog.at_level(logging.WARNING, "takt.log"),
        contextlib.closing(LineWriter(stream, most=3 * len(long))) as writer,
    ):
        writer.put("first")
        stream.asked.wait()
        for _ in range(10):
            writer.put(long)
        stream.reads.set()
    assert len(stream.getvalue().splitlines()) == 1 + 3 * 100
    assert "700 lines were lost" in caplog.text


def test_an_end_without_a_reader_waits_for_a_moment_only(monkeypatch) -> None:
    monkeypatch.setattr(line_writer, "_CLOSED_WITHIN_S", 0.05)
    stream = Slow()
    writer = LineWriter(stream, most=3000)
    monkeypatch.setattr(line_writer.logger, "handlers", [writer])
    writer.put("first")
    stream.asked.wait()
    for number in range(10):
        writer.put(f"{number}")
    closing = threading.Thread(target=writer.close, daemon=True)
    closing.start()
    closing.join(5)
    ended = not closing.is_alive()
    stream.reads.set()
    assert ended


def test_what_is_put_after_the_end_is_written_at_once() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream)
    writer.close()
    writer.close()
    writer.put("late")
    assert stream.getvalue() == "late\n"


def test_a_reader_that_is_gone_fails_nobody() -> None:
    reader, end = os.pipe()
    os.close(reader)
    stream = os.fdopen(end, "w")
    with contextlib.closing(LineWriter(stream)) as writer:
        writer.put("to nobody")
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_a_process_without_standard_error_goes_on() -> None:
    with contextlib.closing(LineWriter(None)) as writer:
        writer.put("to nobody")


_WRITER = """
import contextlib, sys
from takt.observing.line_writer import LineWriter
with contextlib.closing(LineWriter(sys.stdout, shared=True)) as writer:
    print("ready", file=sys.stderr, flush=True)
    sys.stdin.readline()
    for number in range(900):
        writer.put("\\n".join(sys.argv[1] * 60 for _ in range(100)))
"""


def test_lines_of_processes_that_share_a_pipe_stay_whole_though_its_reader_is_slow() -> None:
    reading, writing = os.pipe()
    command, pipe = [sys.executable, "-c", _WRITER], subprocess.PIPE
    writers = [
        subprocess.Popen([*command, letter], stdin=pipe, stdout=writing, stderr=pipe)
        for letter in "ab"
    ]
    os.close(writing)
    for writer in writers:
        assert writer.stderr is not None and writer.stderr.readline() == b"ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.flush()
    with open(reading, "rb", buffering=0) as slow:
        # Far less at a time than the pipe holds, so that it is always full.
        text = b"".join(iter(lambda: slow.read(1000), b"")).decode()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert set(text.splitlines()) == {"a" * 60, "b" * 60}
