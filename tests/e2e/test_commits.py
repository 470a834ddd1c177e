"""What the system is asked to put on the disk before an answer goes out, as `strace` sees it."""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.bundle import MODEL, spotted_picture, write_bundle
from tests.hostile.server import Server, serve_command, started

ANSWERS = 10

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="no strace here: install Debian's package `strace`"
)


@contextlib.contextmanager
def traced(server: Server, log: Path) -> Iterator[None]:
    """Have a server's syncs and what it sends written into a file, in their order."""
    calls = "trace=fsync,fdatasync,write,writev,sendto,sendmsg"
    command = ["strace", "-f", "-y", "-s", "64", "-e", calls, "-o", str(log)]
    process = subprocess.Popen(
        [*command, "-p", str(server.process.pid)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        if "attached" not in said:
            pytest.skip(f"strace may not look at another process here: {said}")
        yield
    finally:
        process.terminate()
        process.communicate()


def answered(server: Server, *numbers: int) -> None:
    """Ask for answers, one after another, to a reject of each number; its picture is kept."""
    address = server.address
    with contextlib.closing(http.client.HTTPConnection(address.host, address.port)) as connection:
        for number in numbers:
            picture = spotted_picture() + bytes([number])
            connection.request("POST", f"/v1/models/{MODEL}/inspect", picture)
            response = connection.getresponse()
            assert (response.status, bool(response.read())) == (200, True)


def events(log: Path) -> list[str]:
    """`picture`, `row` and `answer`: syncs in the order of their ends, answers of their begins."""
    found: list[str] = []
    begun: dict[str, str] = {}
    for line in log.read_text().splitlines():
        thread = line.split()[0]
        if "HTTP/1.1 200" in line:
            found.append("answer")
        elif "sync resumed>" in line:
            found.append(begun.pop(thread))
        elif synced := re.search(r"sync\(\d+<([^>]*)>", line):
            kind = "row" if synced[1].endswith("record.sqlite-wal") else "other"
            if "/pictures/" in synced[1] and ".part" in synced[1]:
                kind = "picture"
            if "<unfinished" in line:
                begun[thread] = kind
            else:
                found.append(kind)
    return found


def trace_of(tmp_path: Path, *options: str) -> list[str]:
    write_bundle(tmp_path / "models")
    kept = ("--record", "sqlite", "--keep", "rejects", "--data-folder", str(tmp_path / "data"))
    command = serve_command(tmp_path / "models", *kept, *options)
    with started(command) as server:
        # The first one opens the record, whose tables are synced in any case.
        answered(server, ANSWERS)
        with traced(server, tmp_path / "calls"):
            answered(server, *range(ANSWERS))
    return events(tmp_path / "calls")


def test_each_answer_follows_the_sync_of_its_picture_and_of_its_row(tmp_path: Path) -> None:
    found = trace_of(tmp_path, "--commit-before-answer")
    assert found.count("answer") == ANSWERS
    for before in " ".join(found).split("answer")[:-1]:
        kinds = before.split()
        assert kinds.index("picture") < kinds.index("row")


def test_an_answer_that_waits_for_no_record_asks_for_no_sync_of_a_picture(tmp_path: Path) -> None:
    found = trace_of(tmp_path)
    assert (found.count("answer"), found.count("picture")) == (ANSWERS, 0)
    assert found.count("row") < ANSWERS
