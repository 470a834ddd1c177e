"""Every command of `takt`, with its arguments and options."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from itertools import groupby
from pathlib import Path

import click

from docs._reference.markdown import prose
from takt.cli import COMMANDS, main

_ROOT = Path(__file__).parents[2]
_DISTRIBUTIONS = ("service", "export", "models", "plugins/msa", "plugins/station")
"""The folders of those that may have commands."""
_LIMITS = re.compile(r"\s*\[([^\[\]]*)\]$")
"""What click appends to an option's text: default, range, whether it is required."""


def commands() -> str:
    """A section for each command, in the order of their names: usage, meaning, options."""
    return "\n\n".join(
        part
        for path, command in groups_and_commands()
        for part in _parts(command, click.Context(command, info_name=path))
    )


def groups_and_commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with what calls it, such as `takt fit patchcore`.

    The entry points are those that are declared, not those that were installed some time ago.
    """
    found: dict[str, click.Command] = dict(main.commands)
    for folder in _DISTRIBUTIONS:
        declared = tomllib.loads((_ROOT / folder / "pyproject.toml").read_text("utf-8"))
        for name, value in declared["project"]["entry-points"].get(COMMANDS, {}).items():
            found[name] = EntryPoint(name, value, COMMANDS).load()
    for name, command in sorted(found.items()):
        yield from _with_subcommands(f"takt {name}", command)


def _with_subcommands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            yield from _with_subcommands(f"{path} {name}", below)


def _parts(command: click.Command, ctx: click.Context) -> Iterator[str]:
    """Heading, usage, meaning and options."""
    yield "#" * (ctx.command_path.count(" ") + 1) + f" {ctx.command_path}"
    yield f"    {ctx.command_path} {' '.join(command.collect_usage_pieces(ctx))}"
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "")):
        if paragraph.startswith("\b\n"):  # lines that stay as they are
            yield "\n".join(f"    {line}" for line in paragraph.splitlines()[1:])
        else:
            yield prose(paragraph)
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    for heading, under in groupby(options, lambda one: getattr(one, "heading", "")):
        if heading:
            yield f"*{heading}*"
        yield "\n".join(_line(one, ctx) for one in under)


def _line(option: click.Option, ctx: click.Context) -> str:
    """Names and type, what the option does, and its default and bounds."""
    record = option.get_help_record(ctx)
    assert record is not None
    names, said = record
    limits: list[str] = []
    while found := _LIMITS.search(said):
        limits[:0] = [_limit(one) for one in found[1].split("; ")]
        said = said[: found.start()]
    return f"- `{names}`: {prose(said)}" + (f" ({', '.join(limits)})" if limits else "")


def _limit(text: str) -> str:
    """A default, a range or `required`, as click says it."""
    word, colon, value = text.partition(": ")
    if colon:
        return f"{word} `{value}`"
    return text if text.isalpha() else f"`{text}`"
