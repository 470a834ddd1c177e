"""Commands as a terminal would call them."""

from __future__ import annotations

import click
from click.testing import CliRunner, Result


def run(command: click.Command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def refused(result: Result) -> str:
    """The one line of a refusal, which has no stack trace."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    return last
