"""Who gives a command."""

from __future__ import annotations

import pwd

import pytest

from takt.commands.who import who_asks


def test_a_user_without_a_name_is_called_after_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr("os.getuid", lambda: 12_345)
    assert who_asks() == "uid 12345"
    assert who_asks("ann") == "ann"
