"""Certificates and an issuer's keys, exchanged beside clients that go on asking."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import ssl
import tempfile
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from takt.commands.bench.lean_http import HttpPool, parse_address, request_head
from takt.security.keys.key import new_key
from takt.security.keys.key_file import format_keys
from takt_client.errors import UnreachableError
from tests.conftest import Server, run_server
from tests.hostile.bundle import MODEL, spotted_picture, write_bundle
from tests.hostile.report import Verdict, table
from tests.issuer import AUDIENCE, FakeIssuer
from tests.tls import client_of, pair_of

CLIENTS = 8
REQUESTS_OF_A_CONNECTION = 25
"""After which a client connects anew, and sees the certificate of the moment."""
TAKEN_WITHIN_S = 1.0
"""Time in which a server takes a change of a file."""
TOKEN_KEYS_EVERY_S = 6.0
"""A server asks an issuer for an unknown key every 5 s at most."""
PATH = f"/v1/models/{MODEL}/inspect"


@dataclass(slots=True)
class Exchanged:
    """What clients show at this moment, and how often what they rely on was exchanged.

    Attributes:
        secret: a key, which stays.
        token: a token, which is exchanged with the issuer's keys.
        times: exchanges by kind.
    """

    secret: str
    token: str
    times: Counter[str] = field(
        default_factory=lambda: Counter({"certificates": 0, "an issuer's keys": 0})
    )


@dataclass(frozen=True, slots=True)
class Files:
    """The files that the server follows."""

    folder: Path
    authority: trustme.CA

    @property
    def keys(self) -> Path:
        """Keys of callers."""
        return self.folder / "keys.toml"

    @property
    def certificate(self) -> Path:
        """The server's certificate."""
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        """Its key."""
        return self.folder / "tls.key"

    def options(self, issuer: FakeIssuer) -> list[str]:
        """Of `takt serve`."""
        return [
            *("--keys-file", str(self.keys), "--metrics-port", "0"),
            *("--tls-certificate", str(self.certificate), "--tls-key", str(self.key)),
            *("--oidc-issuer", issuer.url, "--oidc-audience", AUDIENCE),
        ]


@dataclass(frozen=True, slots=True)
class Rotation:
    """What became of a run.

    Attributes:
        outcomes: requests by status, or by what went wrong.
        used: what was exchanged.
        reloads: changes of files as the server counted them.
        tracebacks: in its log.
        took_s: length of the run.
    """

    outcomes: Counter[str]
    used: Exchanged
    reloads: dict[str, float]
    tracebacks: int
    took_s: float

    @property
    def failed(self) -> int:
        """Requests that were not answered by 200."""
        return self.outcomes.total() - self.outcomes["200"]


def rotate_under_load(count: int) -> Rotation:
    """Ask a server `count` times while everything is exchanged."""
    with tempfile.TemporaryDirectory(prefix="takt-rotation-") as folder, FakeIssuer() as issuer:
        files = Files(Path(folder), trustme.CA())
        certificate, key = pair_of(files.authority)
        files.certificate.write_bytes(certificate)
        files.key.write_bytes(key)
        key_of_line, secret = new_key("line", frozenset({"inspect"}))
        files.keys.write_bytes(format_keys([key_of_line]))
        used = Exchanged(secret, issuer.token().decode())
        repository = files.folder / "models"
        write_bundle(repository)
        with run_server(repository, *files.options(issuer)) as server:
            begun_s = time.monotonic()
            outcomes = asyncio.run(_rotate(server, files, issuer, used, count))
            took_s = time.monotonic() - begun_s
            reloads = _reloads(server)
            server.stop()
        tracebacks = "".join(server.log).count("Traceback (most recent")
    return Rotation(outcomes, used, reloads, tracebacks, took_s)


def run(count: int) -> None:
    """Print what became of `count` requests; ends the process with 1 where one failed."""
    rotation = rotate_under_load(count)
    used = rotation.used
    print(table(("exchanged", "times"), used.times.items()))
    print(table(("changes as the server counted them", "times"), rotation.reloads.items()))
    print(table(("answer", "requests"), rotation.outcomes.items()))
    verdict = Verdict(8)
    verdict.demand(rotation.failed == 0, f"{rotation.failed} of {count} requests failed")
    verdict.demand(min(used.times.values()) > 1, "something was not exchanged")
    verdict.demand(rotation.tracebacks == 0, f"{rotation.tracebacks} tracebacks in the log")
    verdict.end(f"{count} requests in {rotation.took_s:.0f} s, {rotation.failed} failed")


async def _rotate(
    server: Server,
    files: Files,
    issuer: FakeIssuer,
    used: Exchanged,
    count: int,
) -> Counter[str]:
    """Ask `count` times and until everything was exchanged."""
    clients = Clients(server.url, client_of(files.authority), used, count)
    exchanges = [
        asyncio.create_task(one)
        for one in (
            _exchange_certificates(files, used),
            _exchange_token_keys(issuer, used),
        )
    ]
    asking = asyncio.create_task(clients.ask())
    done, _ = await asyncio.wait([asking, *exchanges], return_when=asyncio.FIRST_COMPLETED)
    for exchange in exchanges:
        exchange.cancel()
    for one in done:
        one.result()
    return await asking


class Clients:
    """Clients that ask one after the other; every second one shows a token instead of a key."""

    def __init__(self, url: str, tls: ssl.SSLContext, used: Exchanged, count: int) -> None:
        self._address = parse_address(url)
        self._tls = tls
        self._used = used
        self._left = iter(range(count))
        self._outcomes: Counter[str] = Counter({"200": 0})
        self._picture = spotted_picture()

    async def ask(self) -> Counter[str]:
        """What became of all requests."""
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._ask(by_token=number % 2 == 1))
        return self._outcomes

    async def _ask(self, *, by_token: bool) -> None:
        while True:
            with contextlib.closing(self._pool()) as pool:
                for _ in range(REQUESTS_OF_A_CONNECTION):
                    if next(self._left, None) is None and min(self._used.times.values()):
                        return
                    head = self._head(self._used.token if by_token else self._used.secret)
                    try:
                        outcome = str((await pool.ask(head, self._picture)).status)
                    except UnreachableError as error:
                        outcome = str(error)
                    self._outcomes[outcome] += 1

    def _pool(self) -> HttpPool:
        return HttpPool(self._address, 1, time.monotonic, self._tls)

    def _head(self, credential: str) -> bytes:
        headers = {"Authorization": f"Bearer {credential}"}
        return request_head(self._address, "POST", PATH, len(self._picture), headers)


async def _exchange_certificates(files: Files, used: Exchanged) -> None:
    """The certificate first and its key later, so that the pair is a wrong one in between."""
    for number in itertools.count(1):
        certificate, key = pair_of(files.authority, f"takt {number}")
        files.certificate.write_bytes(certificate)
        await asyncio.sleep(TAKEN_WITHIN_S)
        files.key.write_bytes(key)
        await asyncio.sleep(TAKEN_WITHIN_S)
        used.times["certificates"] += 1


async def _exchange_token_keys(issuer: FakeIssuer, used: Exchanged) -> None:
    """The new key signs at once; the old one stays published for a while."""
    former = "first"
    for number in itertools.count(1):
        await asyncio.sleep(TOKEN_KEYS_EVERY_S)
        name = f"key-{number}"
        issuer.rotate(former, name)
        used.token = issuer.token(name).decode()
        former = name
        used.times["an issuer's keys"] += 1


def _reloads(server: Server) -> dict[str, float]:
    """What the server counted, from its port for metrics."""
    (url,) = re.findall(r"metrics are on (\S+)", "".join(server.log))
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(
        r'^takt_file_reloads_total\{files="(\w+)",outcome="(\w+)"\} (\S+)', text, re.M
    )
    return {f"{files} {outcome}": float(times) for files, outcome, times in found}
