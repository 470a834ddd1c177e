"""Commands as a terminal would call them."""

from __future__ import annotations

import re

import click
from click.testing import CliRunner, Result

_MARK = re.compile(r"^(warning:|WARNING \w+:|note:?|guarantee|promise|assumed:|self-test) ")
_SAID = 30


def run(command: click.Command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def refused(result: Result) -> str:
    """The one line of a refusal, which has no stack trace."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    return last


def repeated(output: str) -> list[str]:
    """Lines of which the beginning, behind what they are called, is said elsewhere too."""
    lines = [_MARK.sub("", " ".join(line.split())) for line in output.splitlines()]
    words = " ".join(lines)
    return [line for line in lines if len(line) > _SAID and words.count(line[:_SAID]) > 1]
