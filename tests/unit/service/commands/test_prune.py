"""`takt prune`, as a terminal shows it."""

from __future__ import annotations

import getpass
from pathlib import Path

from takt.commands.prune import prune
from takt.core.bundles.bundle import Bundle
from takt.mirroring.location import mirror_folder
from takt.recording.audit.chain import entries_of
from takt.recording.record import Record
from tests.commands import refused, run
from tests.conftest import MakeBundle
from tests.recorded import insert_inspections


def test_what_would_go_is_shown_and_goes_with_apply(
    make_bundle: MakeBundle, repository: Path, sqlite_record: Record, tmp_path: Path
) -> None:
    for version in "123":
        make_bundle(version=version)
    insert_inspections(sqlite_record, [{}])
    given = ("--repository", repository, "--data-folder", tmp_path / "data", "--record", "sqlite")
    shown = run(prune, *given, "--keep", 2)
    assert shown.exit_code == 0, shown.output
    first, second, third, last = shown.output.splitlines()
    assert first.startswith("parts 1, bundle ") and first.endswith("MB: goes")
    assert second.endswith("stays: it is among the newest 2")
    assert third.endswith("stays: it is active; it is among the newest 2")
    assert last.startswith("1 of 3 would go, ")
    assert (repository / "parts" / "1").is_dir()
    applied = run(prune, *given, "--keep", 2, "--apply")
    assert applied.output.splitlines()[-1] == "1 of 3 removed"
    assert sorted(path.name for path in (repository / "parts").iterdir()) == ["2", "3"]
    (entry,) = entries_of(sqlite_record.database)
    assert (entry.who, entry.reason) == (getpass.getuser(), "takt prune --keep 2")


def test_without_a_record_nothing_is_removed(
    bundle: Bundle, repository: Path, tmp_path: Path
) -> None:
    given = ("--repository", repository, "--data-folder", tmp_path / "data", "--keep", 0)
    assert "no record in" in refused(run(prune, *given, "--record", "sqlite", "--apply"))
    assert "keeps no record" in refused(run(prune, *given, "--record", "none", "--apply"))
    assert bundle.path.is_dir()


def test_what_comes_from_a_url_is_shown_by_its_copy_and_removed_at_the_url_alone(
    make_bundle: MakeBundle, repository: Path, sqlite_record: Record, tmp_path: Path
) -> None:
    url, data = "https://me:word@host/bundles", tmp_path / "data"
    make_bundle()
    make_bundle(version="2")
    mirror = mirror_folder(data, url)
    mirror.parent.mkdir(parents=True)
    repository.rename(mirror)
    insert_inspections(sqlite_record, [{}])
    given = ("--repository", url, "--data-folder", data, "--record", "sqlite", "--keep", 1)

    assert "parts 1, bundle" in run(prune, *given).output
    told = refused(run(prune, *given, "--apply"))
    assert "https://host/bundles would be fetched again" in told and str(mirror) in told
    assert "word" not in told and (mirror / "parts" / "1").is_dir()
