"""Options by which commands choose inspections of the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from functools import wraps
from typing import Any, get_args

import click

from takt.core.errors import InvalidParameterError
from takt.headings import under
from takt.recording.search.filters import Filters, JudgementFilter, KeptFilter, Verdict
from takt.recording.search.times import us_of


def _time(text: str) -> int:
    try:
        return us_of(text, datetime.now(UTC))
    except InvalidParameterError as error:
        raise click.BadParameter(str(error)) from None


_OPTIONS = (
    click.option(
        "--since",
        "since_us",
        metavar="TIME",
        type=_time,
        help="Answered at this time or later: 2026-03-01T06:00:00Z, or -24h for 24 hours ago (s, "
        "m, h, d, w).",
    ),
    click.option(
        "--until", "until_us", metavar="TIME", type=_time, help="Answered before this time."
    ),
    click.option("--model", help="Name of the model."),
    click.option("--version", help="Version of the model; needs --model."),
    click.option("--verdict", type=click.Choice(get_args(Verdict)), help="What the service said."),
    click.option(
        "--judgement",
        type=click.Choice(get_args(JudgementFilter)),
        help="What people said last; none: nobody has said anything.",
    ),
    click.option("--station", help="Where the picture was taken."),
    click.option("--lot", help="The part's lot."),
    click.option("--part", help="The part's id."),
    click.option("--score-min", type=float, help="Least score."),
    click.option("--score-max", type=float, help="Highest score."),
    click.option("--request-id", help="Id of the request."),
    click.option(
        "--kept",
        type=click.Choice(get_args(KeptFilter)),
        help="Why the picture was to be kept; any: as a reject, near or sample.",
    ),
    click.option("--sha256", metavar="HEX", help="SHA-256 of the picture's file as it came."),
)


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `Filters`; the command gets them as its argument `filters`."""

    @wraps(command)
    def filtered(*arguments: Any, **given: Any) -> Any:
        chosen = {one.name: given.pop(one.name) for one in fields(Filters)}
        try:
            filters = Filters(**chosen)
        except InvalidParameterError as error:
            raise click.UsageError(str(error)) from None
        return command(*arguments, filters=filters, **given)

    return under("Filters", *_OPTIONS)(filtered)
