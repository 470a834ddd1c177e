"""What groups of commands share that do something without a subcommand."""

from __future__ import annotations

import click
from click.core import ParameterSource


def refuse_lost_options(ctx: click.Context) -> None:
    """Refuse options before a subcommand, which would do nothing there.

    Raises:
        UsageError: there is one.
    """
    for parameter in ctx.command.params:
        if ctx.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{parameter.opts[0]} belongs to the subcommand; write it after "
                f"{ctx.invoked_subcommand}"
            )
