"""Errors as a command tells them: a line and the exit status 1, in place of a trace."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click

from takt.core.errors import TaktError

P = ParamSpec("P")


def plain_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Have a command end with what an error of ours says."""

    @wraps(command)
    def run(*args: P.args, **given: P.kwargs) -> None:
        try:
            command(*args, **given)
        except TaktError as error:
            raise click.ClickException(str(error)) from None

    return run


def plain_file_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Have a command end with the name of a file that fails, and why."""

    @wraps(command)
    def run(*args: P.args, **given: P.kwargs) -> None:
        try:
            command(*args, **given)
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror}") from None

    return run
