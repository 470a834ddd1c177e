"""`takt records judge`: say of inspections what their parts are, or take that back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from takt.commands.record import OpenRecord, reads_record
from takt.commands.who import who_asks

if TYPE_CHECKING:
    from takt.core.domain import Box
    from takt.recording.review.judging import JudgementWord


def _box(text: str) -> Box:
    from takt.core.domain import Box

    try:
        x, y, width, height = map(int, text.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no X,Y,WIDTH,HEIGHT; write four whole numbers, such as 412,96,60,24"
        ) from None
    return Box(x, y, width, height)


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
    "--box",
    metavar="X,Y,WIDTH,HEIGHT",
    type=_box,
    help="Where the defect is, in pixels of the upright picture; of one inspection.",
)
@click.option(
    "--withdraw", is_flag=True, help="Take back the latest judgement of yours of each instead."
)
@click.option("--by", help="Who says so.", show_default="the name of this login")
@reads_record
def judge(
    numbers: tuple[int, ...],
    word: JudgementWord | None,
    kind: str | None,
    note: str | None,
    box: Box | None,
    withdraw: bool,
    by: str | None,
    open_record: OpenRecord,
) -> None:
    """Judge the inspections ID..., all of them or none.

    Every judgement is kept, and the latest one counts.
    """
    from takt.recording.review import judging

    if (word is None) != withdraw:
        raise click.UsageError("say --as defect, good or unsure; or --withdraw")
    if withdraw and (kind or note or box):
        raise click.UsageError("--kind, --note and --box go with --as")
    reviewer = who_asks(by)
    database = open_record().database
    if word is None:
        done = judging.withdraw(database, numbers, reviewer)
    else:
        given = judging.NewJudgement(word, reviewer, kind, note, box)
        done = judging.judge(database, numbers, given)
    said = "judgement taken back" if word is None else f"judged {word}"
    click.echo(f"{done.inspections} {said} by {reviewer}")
