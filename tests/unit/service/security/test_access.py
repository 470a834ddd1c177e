from __future__ import annotations

from pathlib import Path

import pytest

from takt.core.errors import ConfigurationError, UnauthenticatedError
from takt.security.access import Access, open_access
from takt.security.keys.key import new_key
from takt.security.keys.key_file import format_keys
from takt.security.settings import AccessSettings

MADE = [new_key(name, frozenset({"read"})) for name in ("old", "new")]
(OLD, OLD_SECRET), (NEW, NEW_SECRET) = MADE


class Observer:
    def __init__(self) -> None:
        self.told: list[object] = []

    def watch(self, what: str) -> None:
        self.told.append(what)

    def refused(self, code: str) -> None:
        self.told.append(code)

    def reloaded(self, what: str, taken: bool) -> None:
        self.told.append((what, taken))


def ask(access: Access, secret: str) -> str:
    headers = [(b"authorization", b"Bearer " + secret.encode())]
    asked = {"type": "http", "method": "GET", "path": "/metrics", "headers": headers}
    return access.guard.check(asked).name


def test_keys_come_from_the_environment() -> None:
    access = open_access(AccessSettings(keys=format_keys([OLD]).decode()), Observer())
    assert ask(access, OLD_SECRET) == "old"
    with pytest.raises(UnauthenticatedError):
        ask(access, NEW_SECRET)


def test_without_keys_there_is_nothing_to_do() -> None:
    access = open_access(AccessSettings(), Observer())
    assert not access.guard.knows_callers
    assert access.jobs == ()


def test_keys_of_two_places_are_refused(tmp_path: Path) -> None:
    settings = AccessSettings(keys="version = 1", keys_file=tmp_path / "keys.toml")
    with pytest.raises(ConfigurationError, match="both set"):
        open_access(settings, Observer())


def test_a_file_without_keys_knows_nobody(tmp_path: Path) -> None:
    (path := tmp_path / "keys.toml").write_bytes(format_keys([]))
    access = open_access(AccessSettings(keys_file=path), Observer())
    assert access.guard.knows_callers
    with pytest.raises(UnauthenticatedError):
        ask(access, OLD_SECRET)


@pytest.mark.parametrize("text", ["", "version = 1\n[keys.a", None])
def test_a_server_does_not_start_on_damaged_or_missing_keys(
    tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "keys.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError):
        open_access(AccessSettings(keys_file=path), Observer())
