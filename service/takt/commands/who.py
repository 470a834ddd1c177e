"""Who gives a command, as the audit log has it."""

from __future__ import annotations

import getpass
import os

from takt.security.caller import check_claimed


def who_asks(by: str | None = None) -> str:
    """The name that was given, or else that of the login.

    A user who has no name, as in a container that runs by a number, is called after the number.

    Raises:
        InvalidParameterError: that name stands for no person.
    """
    return check_claimed(by or _login())


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
