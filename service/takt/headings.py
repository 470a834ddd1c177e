"""Commands whose `--help` has their options under headings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

CONTEXT = {"max_content_width": 120}
"""Context settings: lines of `--help` are as wide as the terminal, up to this."""

_OTHERS = "Options"
_COLUMN = 30
"""Characters of the names' column; a longer name has a line of its own."""

Command = Callable[..., Any]
Option = Callable[[Command], Command]


class HeadedCommand(click.Command):
    """A command with its options under headings, those without one first.

    >>> @click.command(cls=HeadedCommand)
    ... @under("Pictures", click.option("--width"), click.option("--height"))
    ... def draw() -> None: ...
    >>> [line for line in draw.get_help(click.Context(draw)).splitlines() if line[-1:] == ":"]
    ['Options:', 'Pictures:']
    """

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each heading, in the order of the options."""
        sections: dict[str, list[tuple[str, str]]] = {_OTHERS: []}
        for param in self.get_params(ctx):
            row = param.get_help_record(ctx)
            if row is not None and isinstance(param, click.Option):
                sections.setdefault(getattr(param, "heading", _OTHERS), []).append(row)
        longest = max(len(name) for rows in sections.values() for name, _ in rows)
        width = min(longest, _COLUMN)
        for heading, rows in sections.items():
            with formatter.section(heading):
                # One column for the names of all sections.
                formatter.write_dl([(name.ljust(width), text) for name, text in rows], _COLUMN)


class HeadedGroup(HeadedCommand, click.Group):
    """A group of commands with options of its own under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections of the options, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def with_options(*options: Option) -> Option:
    """Several options as one decorator; --help lists them in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def under(heading: str, *options: Option) -> Option:
    """Several options as one decorator, all under a heading."""

    def decorate(command: Command) -> Command:
        before = len(_parameters(command))
        command = with_options(*options)(command)
        for parameter in _parameters(command)[before:]:
            parameter.heading = heading  # type: ignore[attr-defined]
        return command

    return decorate


def _parameters(command: Command) -> list[click.Parameter]:
    """The parameters of a function that is to be a command, where click keeps them until then."""
    return getattr(command, "__click_params__", [])
