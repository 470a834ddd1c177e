from __future__ import annotations

import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from takt.commands.keys import keys
from takt.security.keys.key import PREFIX
from takt.security.keys.key_file import parse_keys
from takt.security.keys.key_ring import KeyRing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def takt_keys(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(keys, [*arguments, "--file", str(path)])


def add(path: Path, name: str, *options: str) -> str:
    result = takt_keys(path, "add", name, "--scope", "inspect", *options)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_a_key_is_printed_once_and_a_server_knows_it_by_the_file(path: Path) -> None:
    secret = add(path, "line3", "--scope", "read")
    assert secret.startswith(PREFIX)
    caller = KeyRing(parse_keys(path.read_bytes())).identify(secret.encode())
    assert caller is not None
    assert (caller.name, caller.scopes) == ("line3", {"inspect", "read"})
    assert secret not in path.read_text()
    assert secret not in takt_keys(path, "list").output


def test_a_new_file_is_for_its_owner_alone_and_an_old_one_keeps_its_mode(path: Path) -> None:
    add(path, "line3")
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    add(path, "line4")
    assert path.stat().st_mode & 0o777 == 0o640


def test_nothing_else_is_left_beside_the_file(path: Path) -> None:
    add(path, "line3")
    takt_keys(path, "revoke", "line3")
    assert list(path.parent.iterdir()) == [path]


def test_a_revoked_key_is_gone_and_the_others_stay(path: Path) -> None:
    gone, kept = add(path, "line3").encode(), add(path, "line4").encode()
    assert takt_keys(path, "revoke", "line3").exit_code == 0
    ring = KeyRing(parse_keys(path.read_bytes()))
    assert ring.identify(gone) is None
    assert ring.identify(kept) is not None
    takt_keys(path, "revoke", "line4")
    assert parse_keys(path.read_bytes()) == ()


def test_the_list_tells_names_scopes_and_ends(path: Path) -> None:
    add(path, "line3", "--days", "30")
    add(path, "office")
    first, second = takt_keys(path, "list").stdout.splitlines()
    assert first.split()[:2] == ["line3", "inspect"] and "expires 20" in first
    assert "expires" not in second
    text = path.read_text()
    path.write_text(text.replace("expires = 20", "expires = 19"))
    assert "EXPIRED" in takt_keys(path, "list").stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("add", "line3", "--scope", "inspect"), "there is a key line3 already"),
        (("add", "a b", "--scope", "inspect"), "no name of a key"),
        (("add", "new", "--scope", "everything"), "'everything' is not one of"),
        (("add", "new"), "Missing option '--scope'"),
        (("revoke", "line4"), "there is no key line4"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    add(path, "line3")
    before = path.read_bytes()
    result = takt_keys(path, *arguments)
    assert result.exit_code != 0
    assert complaint in result.output
    assert path.read_bytes() == before


def test_a_damaged_or_missing_file_is_told_and_left_alone(path: Path) -> None:
    for arguments in (("list",), ("revoke", "line3")):
        assert "cannot be read: No such file" in takt_keys(path, *arguments).output
    path.write_text("version = 1\n[keys.line3]\n")
    for arguments in (("list",), ("add", "line4", "--scope", "read"), ("revoke", "line3")):
        result = takt_keys(path, *arguments)
        assert result.exit_code == 1
        assert "keys.line3." in result.output
    assert path.read_text() == "version = 1\n[keys.line3]\n"
    missing = takt_keys(path.parent / "none" / "keys.toml", "add", "a", "--scope", "read")
    assert "No such file" in missing.output


def test_a_link_stays_a_link(path: Path) -> None:
    (behind := path.with_name("behind.toml")).write_text("version = 1\n")
    path.symlink_to(behind)
    add(path, "line3")
    assert path.is_symlink()
    assert len(parse_keys(behind.read_bytes())) == 1


def test_two_who_add_at_once_both_have_a_key(path: Path) -> None:
    together = threading.Barrier(4)

    def one(name: str) -> None:
        together.wait()
        keys.main(["add", name, "--scope", "read", "--file", str(path)], standalone_mode=False)

    threads = [threading.Thread(target=one, args=(f"line{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(parse_keys(path.read_bytes())) == 4


@pytest.mark.parametrize("name", ["server", "File", "folder", "anyone"])
def test_no_key_is_called_as_the_server_is(path: Path, name: str) -> None:
    result = takt_keys(path, "add", name, "--scope", "inspect")
    assert (result.exit_code, "take another name" in result.output) == (1, True)
    assert not path.exists()
