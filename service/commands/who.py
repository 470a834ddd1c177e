"""Who gives a command, as the audit log has it."""

from __future__ import annotations

import getpass

from service.security.caller import check_claimed


def who_asks(by: str | None = None) -> str:
    """The name that was given, or else that of the login.

    Raises:
        InvalidParameterError: that name stands for no person.
    """
    return check_claimed(by or getpass.getuser())
