"""How a command fails: with one line that says what to do, never with a stack trace."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

OURS = frozenset({"export", "models", "service"})

P = ParamSpec("P")
R = TypeVar("R")


def plain_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn errors that we define, of files and of missing packages into click's (exit status 1).

    An error is ours by the package that defines its class, so that nothing heavy is imported to
    recognise it; all others are bugs and keep their trace.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"this command needs {error.name}; install the extra `export`: pip install "
                "'.[export]' in the project's folder"
            ) from error
        except Exception as error:
            if _package(error) not in OURS and not isinstance(error, OSError):
                raise
            raise click.ClickException(str(error)) from error

    return run


def _package(error: Exception) -> str:
    return type(error).__module__.partition(".")[0]
