"""A PostgreSQL server for tests of the record, as Debian's package has it."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.ports import kept_port

BINARIES = Path("/usr/lib/postgresql")


@dataclass
class PostgresServer:
    """A server of its own in a folder, for as long as somebody needs it; it trusts this machine."""

    folder: Path
    port: int
    databases: int = 0
    _as_postgres: dict[str, object] = field(default_factory=dict)

    @classmethod
    def installed(cls) -> Path | None:
        """The folder of PostgreSQL's programs; None where the package is missing."""
        found = sorted(BINARIES.glob("*/bin/initdb"))
        return found[-1].parent if found else None

    def start(self) -> None:
        """Begin, or begin again with the same data."""
        if not Path(self._data).exists():
            if os.geteuid() == 0:
                # PostgreSQL refuses to run as root.
                user = pwd.getpwnam("postgres")
                os.chown(self.folder, user.pw_uid, user.pw_gid)
                self._as_postgres = {"user": user.pw_uid, "group": user.pw_gid}
            self._run("initdb", "-D", self._data, "-U", "takt", "--auth=trust", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -F"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", self._data, "-l", log, "-o", options, "-w", "start")

    def stop(self) -> None:
        """End it at once, as a machine that fails does; connections break."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def kill(self) -> None:
        """End it by `kill -9`; comes back once nothing of it is left."""
        first = self._postmaster
        # It starts nobody else from here on.
        os.kill(first, signal.SIGSTOP)
        processes = [first, *self._children]
        os.kill(first, signal.SIGKILL)
        # PostgreSQL takes those for running that nobody has asked yet what became of them.
        while any(Path(f"/proc/{one}").exists() for one in processes):
            time.sleep(0.02)

    def freeze(self) -> None:
        """Have nothing of it go on; connections stay, and nobody answers."""
        os.kill(self._postmaster, signal.SIGSTOP)
        for one in self._children:
            os.kill(one, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for one in (*self._children, self._postmaster):
            os.kill(one, signal.SIGCONT)

    @property
    def _postmaster(self) -> int:
        return int(Path(self._data, "postmaster.pid").read_text("ascii").split()[0])

    @property
    def _children(self) -> list[int]:
        first = self._postmaster
        return [
            int(one) for one in Path(f"/proc/{first}/task/{first}/children").read_text().split()
        ]

    def new_url(self) -> str:
        """URL of a new, empty database."""
        self.databases += 1
        name = f"record{self.databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "takt", name)
        return f"postgresql://takt@127.0.0.1:{self.port}/{name}"

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        binaries = self.installed()
        assert binaries is not None
        subprocess.run(
            [str(binaries / program), *arguments],
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as_postgres,  # type: ignore[call-overload]
        )


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server; its data goes with it."""
    # Not in pytest's folder, into which nobody but its own user may look.
    with kept_port() as port, tempfile.TemporaryDirectory(prefix="takt-postgres-") as folder:
        server = PostgresServer(Path(folder), port)
        server.start()
        try:
            yield server
        finally:
            server.stop()
