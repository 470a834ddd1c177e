"""What TLS costs: the same server with and without it, in turns.

    python benchmarks/tls.py examples/models examples/pictures/good/*.jpg

One client at a time, over a connection that is kept and over a new one for each picture, the latter
with a key on an elliptic curve and with one of RSA.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import trustme

TAKT = Path(sys.executable).with_name("takt")
KINDS = {"plain": None, "TLS, P-256": trustme.KeyType.ECDSA, "TLS, RSA 2048": trustme.KeyType.RSA}
WARM_UP = 3


@dataclass(frozen=True)
class Server:
    """A server that is ready.

    Attributes:
        address: host and port.
        tls: trusts its certificate; None for a plain server.
    """

    address: str
    tls: ssl.SSLContext | None

    def connect(self) -> http.client.HTTPConnection:
        """A new connection; its handshake comes with the first request."""
        if self.tls is None:
            return http.client.HTTPConnection(self.address)
        return http.client.HTTPSConnection(self.address, context=self.tls)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--model", help="Name; else the first of the repository.")
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    model = given.model or min(path.name for path in given.repository.iterdir() if path.is_dir())
    path = f"/v1/models/{model}/inspect"
    bodies = [picture.read_bytes() for picture in given.pictures]
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(served(given.repository, kind))
                   for name, kind in KINDS.items()}  # fmt: skip
        ways: dict[tuple[str, str], Callable[[bytes], None]] = {}
        for name, server in servers.items():
            kept = stack.enter_context(contextlib.closing(server.connect()))
            ways["kept connection", name] = asker(path, partial(_kept, kept))
            ways["new connection", name] = asker(path, server.connect, close=True)
        times_ms: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
        for turn in range(given.rounds + WARM_UP):
            for body in bodies:
                for way, ask in ways.items():
                    started_s = time.perf_counter()
                    ask(body)
                    if turn >= WARM_UP:
                        times_ms[way].append((time.perf_counter() - started_s) * 1000)
    medians = {way: statistics.median(values) for way, values in times_ms.items()}
    for (connection, name), median in medians.items():
        plain = medians[connection, "plain"]
        print(
            f"{connection:<16} {name:<14} p50 {median:8.3f} ms over "
            f"{len(times_ms[connection, name])} pictures, {median - plain:+.3f} ms, "
            f"ratio {plain / median:.3f}"
        )


def _kept(connection: http.client.HTTPConnection) -> http.client.HTTPConnection:
    return connection


def asker(
    path: str, connect: Callable[[], http.client.HTTPConnection], *, close: bool = False
) -> Callable[[bytes], None]:
    """Sends a picture and reads the verdict."""

    def ask(body: bytes) -> None:
        connection = connect()
        connection.request("POST", path, body)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise SystemExit(f"{response.status}: {answer.decode()}")
        if close:
            connection.close()

    return ask


@contextlib.contextmanager
def served(repository: Path, kind: trustme.KeyType | None) -> Iterator[Server]:
    """A server with a certificate of this kind, or without one."""
    # Nobody reads its log from then on.
    command = [
        str(TAKT),
        "serve",
        "--repository",
        str(repository),
        "--port",
        "0",
        "--record",
        "none",
    ]
    command += ["--no-request-log"]
    tls = None
    with tempfile.TemporaryDirectory() as folder:
        if kind is not None:
            authority = trustme.CA(key_type=kind)
            issued = authority.issue_cert("127.0.0.1", key_type=kind)
            file = Path(folder) / "tls.pem"
            file.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
            command += ["--tls-certificate", str(file)]
            tls = ssl.create_default_context()
            authority.configure_trust(tls)
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            yield Server(_ready(process), tls)
        finally:
            process.terminate()
            process.communicate()


def _ready(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    address, ready = "", False
    for line in process.stderr:
        if found := re.search(r"running on (https?://\S+)", line):
            address = urlsplit(found[1]).netloc
        ready = ready or " is ready on " in line
        if address and ready:
            return address
    raise SystemExit("the server ended before it was ready")


if __name__ == "__main__":
    main()
