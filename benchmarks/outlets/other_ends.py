"""Other ends of outlets: a broker, a receiver of webhooks, and ports where nobody is."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_SECRET = "whsec_" + "AAAA" * 8
_RECEIVER = """
import asyncio, sys

async def take(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\\r")[0])
            await reader.readexactly(length)
            writer.write(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
    except asyncio.IncompleteReadError:
        writer.close()

async def main():
    server = await asyncio.start_server(take, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()

asyncio.run(main())
"""


def free_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[int]:
    """The port of a Mosquitto (Debian's package), which sends at once."""
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
        "max_queued_messages 0\n"
    )
    with _running(["mosquitto", "-c", str(config)], port):
        yield port


@contextlib.contextmanager
def receiver() -> Iterator[int]:
    """The port of a receiver of webhooks, which takes whatever comes."""
    port = free_port()
    with _running([sys.executable, "-c", _RECEIVER, str(port)], port):
        yield port


def webhooks(folder: Path, port: int) -> Path:
    """A file with one webhook on loopback, which is sent everything."""
    file = folder / f"webhooks-{port}.toml"
    file.write_text(
        f'[[webhook]]\nname = "b"\nurl = "http://127.0.0.1:{port}/"\nsecrets = ["{_SECRET}"]\n'
    )
    return file


@contextlib.contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        give_up_s = time.monotonic() + 30
        while True:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if time.monotonic() > give_up_s or process.poll() is not None:
                raise SystemExit(f"{command[0]} does not listen")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()
