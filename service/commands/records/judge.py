"""`takt records judge`: say of inspections what their parts are, or take that back."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.core.errors import TaktError
from service.recording.record import existing_record, record_options

if TYPE_CHECKING:
    from service.recording.review.judging import JudgementWord


@click.command()
@click.argument(
    "numbers", metavar="ID...", nargs=-1, required=True, type=click.IntRange(1, 2**63 - 1)
)
@click.option(
    "--as", "word", type=click.Choice(("defect", "good", "unsure")), help="What the part is."
)
@click.option("--kind", help="Kind of the defect.")
@click.option("--note", help="Whatever else there is to say.")
@click.option(
    "--withdraw", is_flag=True, help="Take back the latest judgement of yours of each instead."
)
@click.option("--by", help="Who says so.", show_default="the name of this login")
@record_options
def judge(
    numbers: tuple[int, ...],
    word: JudgementWord | None,
    kind: str | None,
    note: str | None,
    withdraw: bool,
    by: str | None,
    data: Path,
    record: str,
) -> None:
    """Judge the inspections ID..., all of them or none.

    Every judgement is kept, and the latest one counts.
    """
    from service.recording.review import judging

    if (word is None) != withdraw:
        raise click.UsageError("say --as defect, good or unsure; or --withdraw")
    if withdraw and (kind or note):
        raise click.UsageError("--kind and --note go with --as")
    reviewer = by or getpass.getuser()
    try:
        database = existing_record(data, record).database
        if word is None:
            done = judging.withdraw(database, numbers, reviewer)
        else:
            given = judging.NewJudgement(word, reviewer, kind, note)
            done = judging.judge(database, numbers, given)
    except TaktError as error:
        raise click.ClickException(str(error)) from None
    said = "judgement taken back" if word is None else f"judged {word}"
    click.echo(f"{done.inspections} {said} by {reviewer}")
