"""Backups that somebody has changed on a share, each restored by `takt restore`.

They are restored in a process of their own, one after another, into a folder that has to be empty
afterwards where one was refused. Their digests are right, so that they get behind these.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from click.testing import Result

from takt.commands.backup.command import backup
from takt.commands.backup.restore import restore
from takt.recording.pictures import PictureKey, format_of, sha256_of
from takt.recording.record import open_record
from tests.commands import run
from tests.hostile.features.changed_archives import Changed, Original, changed
from tests.hostile.features.outcome import Outcome
from tests.recorded import NOON_US, insert_inspections
from tests.signing import OURS, private_pem, trusted
from tests.unit.service.recording.audit.chains import appended

LONGEST_S = 10.0
"""Longest time for one, on a machine that does other things, too."""
_KIB = 1024


@dataclass(frozen=True, slots=True)
class _Said:
    """What came of one."""

    answer: str
    wrong: list[str]
    memory_mib: float


def send(count: int, seed: int, folder: Path) -> Outcome:
    """Restore so many changed backups."""
    original = _original(folder)
    outcome = Outcome()
    at = 0
    while at < count:
        with tempfile.TemporaryDirectory(dir=folder) as around:
            at = _through(original, Path(around), seed, range(at, count), outcome)
    return outcome


def _through(original: Original, around: Path, seed: int, numbers: range, outcome: Outcome) -> int:
    """Restore some in one process; the number of the first one that is still to do."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_restore_each, args=(original, around, theirs))
    process.start()
    theirs.close()
    try:
        ours.recv()  # it is ready
        for number in numbers:
            change = changed(original, seed, number, around)
            ours.send(change)
            if not ours.poll(LONGEST_S):
                return _ended(outcome, number, f"took over {LONGEST_S:.0f} s ({change.what})")
            try:
                said: _Said = ours.recv()
            except EOFError:
                return _ended(outcome, number, f"ended the process ({change.what})")
            outcome.note(said.answer)
            outcome.wrong += [f"archive {number}: {change.what}: {line}" for line in said.wrong]
            outcome.memory_mib = max(outcome.memory_mib, said.memory_mib)
        return numbers.stop
    finally:
        process.kill()
        process.join()


def _ended(outcome: Outcome, number: int, why: str) -> int:
    outcome.note("no answer")
    outcome.wrong.append(f"archive {number}: {why}")
    return number + 1


def _original(folder: Path) -> Original:
    """A backup of a little of everything, signed."""
    place = folder / "original"
    version = place / "models" / "parts" / "1"
    version.mkdir(parents=True)
    (version / "manifest.json").write_text('{"name": "parts", "version": "1"}')
    (version / "model.onnx").write_bytes(bytes(range(256)) * 8)
    (place / "models" / "parts" / "active.json").write_text('{"active": "1"}')
    (place / "keys.toml").write_text("version = 1\n")
    (place / "takt.toml").write_text("port = 8123\n")
    (place / "takt.key").write_bytes(private_pem(OURS))
    record = open_record(place / "data", "sqlite")
    assert record is not None
    for picture in (b"BM one", b"BM another"):
        key = PictureKey(NOON_US, sha256_of(picture), format_of(picture))
        record.pictures.write(key, picture)
        digest = bytes.fromhex(key.sha256)
        insert_inspections(record, [{"sha256": digest, "input_format": "bmp", "picture": True}])
    appended(record, 3)
    record.close()
    names = {"--data-folder": "data", "--repository": "models", "--config": "takt.toml"}
    names |= {"--keys-file": "keys.toml", "--sign-key": "takt.key"}
    given = [part for option, name in names.items() for part in (option, place / name)]
    told = run(backup, place / "line.takt", "--record", "sqlite", *given)
    assert told.exit_code == 0, told.output
    return Original.of(place / "line.takt", trusted(place, OURS))


def _restore_each(original: Original, around: Path, told: Connection) -> None:
    """What the process under attack does."""
    here = _Here(around)
    os.sync = lambda: None  # of all disks, each time
    here.restore(original.file, [])  # whatever is loaded once
    here.empty()
    Path("/proc/self/clear_refs").write_text("5")
    start_mib = _mib("VmRSS")
    told.send(None)
    while True:
        change: Changed = told.recv()
        result = here.restore(change.file, change.options)
        wrong = here.wrong(result)
        if change.must_fail and result.exit_code == 0:
            wrong.append("was restored")
        told.send(_Said(_answer(result), wrong, _mib("VmHWM") - start_mib))
        here.empty()


class _Here:
    """The folders of whoever restores, of which one alone may be written to."""

    def __init__(self, around: Path) -> None:
        self.new = around / "new"
        self.temporary = around / "tmp"
        self.around = around
        for place in (self.new, self.temporary, around / "home" / ".ssh"):
            place.mkdir(parents=True)
        os.chdir(self.new)
        os.environ["HOME"] = str(around / "home")
        tempfile.tempdir = str(self.temporary)

    def restore(self, file: Path, options: list[str]) -> Result:
        named = ["--keys-file", "keys.toml", "--config", "takt.toml", *options]
        return run(restore, file, *named)

    def wrong(self, result: Result) -> list[str]:
        """What must not be."""
        found = []
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            found.append(f"a trace: {result.exception!r:.300}")
        if "\x1b" in result.output:
            found.append("steers the terminal")
        elif result.exit_code and not _last(result).startswith("Error: "):
            found.append(f"no error is said: {result.output[-300:]!r}")
        if result.exit_code and (left := sorted(os.listdir(self.new))):
            found.append(f"left {left}")
        outside = [path for path in self._files() if not path.is_relative_to(self.new)]
        if outside:
            found.append(f"wrote {outside[:3]}")
        return found

    def empty(self) -> None:
        """Take away what was restored."""
        for path in self.new.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _files(self) -> Iterator[Path]:
        for folder, _, names in os.walk(self.around):
            yield from (Path(folder) / name for name in names if name != "changed.takt")


def _answer(result: Result) -> str:
    """That it was restored, or the kind of a refusal."""
    if result.exit_code == 0:
        return "restored"
    said = re.sub(r"/\S*|'[^']*'|[0-9a-f]{16,}|\d+", "", _last(result).removeprefix("Error: "))
    return " ".join(said.split()[:5])


def _last(result: Result) -> str:
    return (result.output.splitlines() or [""])[-1]


def _mib(field: str) -> float:
    status = Path("/proc/self/status").read_text("ascii")
    found = re.search(rf"^{field}:\s+(\d+)", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / _KIB
